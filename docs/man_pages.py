"""Manual pages in man(7) from the commands themselves: one for each command of `surefoot`, one for `surefoot-agent`.

Promises: the same text on every Python from 3.10 on: no date, and options are read from the commands, not from a layout
of their help. What is in the help is in the page, and nothing else.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator

import click
from command_lines import _context, _verbs, _walk

from surefoot_agent.__main__ import parser as agent_parser
from surefoot_server.cli.main import EXIT_CODES, cli

SECTION = "1"
MEANINGS = {0: "ok", 1: "failure", 2: "wrong usage", 3: "not found", 4: "not allowed", 5: "conflicting state"} | {
    6: "gate failed or rollout stopped",
    7: "timed out waiting",
    8: "verification failed",
    130: "interrupted",
}
ENVIRONMENT = {
    "SUREFOOT_SERVER": "the server's URL",
    "SUREFOOT_TOKEN_FILE": "file with the API token",
    "SUREFOOT_PASSPHRASE_FILE": "file with the passphrase of the offline keys",
    "NO_COLOR": "no colour",
}
assert set(EXIT_CODES.values()) <= set(MEANINGS)


def pages() -> dict[str, str]:
    """File name → page."""
    top = _context(cli)
    names = cli.list_commands(top)
    made = {"surefoot.1": _top(top, names)}
    for name in names:
        command = cli.get_command(top, name)
        assert command is not None
        made[f"surefoot-{name}.1"] = _command(_context(command, top, name))
    return made | {"surefoot-agent.1": _agent(agent_parser())}


def _top(context: click.Context, names: list[str]) -> str:
    listed = [_item(f"surefoot {name}", _first(cli.get_command(context, name))) for name in names]
    parts = [
        *_begin("surefoot", "the operator's command line of Surefoot", "surefoot [OPTION]... COMMAND [ARGUMENT]..."),
        ".SH DESCRIPTION",
        *_text(context.command.help),
        ".SH OPTIONS",
        *_options(context),
        ".SH COMMANDS",
        *listed,
        ".SH EXIT STATUS",
        *(_item(str(code), meaning) for code, meaning in MEANINGS.items()),
        ".SH ENVIRONMENT",
        *(_item(name, meaning) for name, meaning in ENVIRONMENT.items()),
        ".SH SEE ALSO",
        ", ".join(f"\\fBsurefoot\\-{_plain(name)}\\fR({SECTION})" for name in names) + ",",
        f"\\fBsurefoot\\-agent\\fR({SECTION})",
    ]
    return "\n".join(parts) + "\n"


def _command(context: click.Context) -> str:
    path = context.command_path
    parts = [*_begin(path.replace(" ", "-"), _first(context.command), _usage(context)), ".SH DESCRIPTION"]
    parts += [*_text(context.command.help), ".SH OPTIONS", *_options(context)]
    below = [each for each in _walk(context) if each is not context and not isinstance(each.command, click.Group)]
    if below:
        parts.append(".SH COMMANDS")
    for each in below:
        parts += [f".SS {_plain(_usage(each))}", *_text(each.command.help), *_options(each)]
    parts += [".SH SEE ALSO", f"\\fBsurefoot\\fR({SECTION}), for exit codes and environment"]
    return "\n".join(parts) + "\n"


def _agent(parser: argparse.ArgumentParser) -> str:
    parts = [
        *_begin("surefoot-agent", str(parser.description).rstrip("."), "surefoot-agent COMMAND [OPTION]..."),
        ".SH DESCRIPTION",
        *_text(f"{parser.description}\n\n{parser.epilog}"),
        ".SH COMMANDS",
    ]
    for name, verb in _verbs(parser).items():
        parts += _agent_verb(f"surefoot-agent {name}", verb)
    return "\n".join(parts) + "\n"


def _agent_verb(path: str, verb: argparse.ArgumentParser) -> Iterator[str]:
    yield f".SS {_plain(path)}"
    yield from _text("\n\n".join(text for text in (verb.description, verb.epilog) if text))
    for action in verb._actions:
        if isinstance(action, (argparse._HelpAction, argparse._SubParsersAction)):
            continue
        name = ", ".join(action.option_strings) or str(action.metavar or action.dest)
        value = f" {action.metavar or action.dest.upper()}" if action.option_strings and action.nargs != 0 else ""
        yield _item(f"{name}{value}", str(action.help or ""))
    for name, deeper in _verbs(verb).items():
        yield from _agent_verb(f"{path} {name}", deeper)


def _begin(name: str, line: str, usage: str) -> list[str]:
    title = f'.TH {_plain(name.upper())} {SECTION} "" "Surefoot" "Surefoot\'s commands"'
    line = line[:1].lower() + line[1:].rstrip(".")
    return [title, ".SH NAME", f"{_plain(name)} \\- {_plain(line)}", ".SH SYNOPSIS", f"\\fB{_plain(usage)}\\fR"]


def _usage(context: click.Context) -> str:
    return " ".join([context.command_path, *context.command.collect_usage_pieces(context)])


def _options(context: click.Context) -> Iterator[str]:
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1]:
            yield _item(record[0], record[1])


def _first(command: click.Command | None) -> str:
    assert command is not None
    return (command.help or "").partition("\n\n")[0].replace("\n", " ").strip()


def _item(head: str, text: str) -> str:
    return f".TP\n\\fB{_plain(head)}\\fR\n{_line(text)}"


def _text(text: str | None) -> Iterator[str]:
    """Paragraphs; one that begins with click's \\b keeps its lines."""
    for paragraph in inspect.cleandoc(text or "").split("\n\n"):
        lines = paragraph.splitlines()
        if lines and lines[0].strip() == "\b":
            yield ".PP\n.nf"
            yield from (_line(line) for line in lines[1:])
            yield ".fi"
        elif lines:
            yield ".PP"
            yield from (_line(line) for line in lines)


def _line(text: str) -> str:
    """A line of text: one that begins as a request would is none."""
    plain = _plain(text)
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain


def _plain(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("→", "to").replace("–", "\\-")
