"""Read both command lines as they are: click's tree of `surefoot`, argparse's of `surefoot-agent`.

Promises: the same text on every Python from 3.10 on and in every terminal: the width is fixed, and the agent's options
are read from its parser rather than from argparse's layout, which changes between versions of Python.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator

import click

from surefoot_agent.__main__ import parser as agent_parser
from surefoot_server.cli.main import cli as operator_command

WIDTH = 100
os.environ["COLUMNS"] = str(WIDTH)  # argparse and click ask for it when they lay out help


def help_text(program: str) -> str:
    """What `PROGRAM --help` prints, as a block."""
    text = agent_parser().format_help() if program == "surefoot-agent" else _click_help(_context(operator_command))
    return f"```\n{text.rstrip()}\n```\n"


def operator_page_parts() -> Iterator[str]:
    yield "# surefoot"
    for context in _walk(_context(operator_command)):
        if context.parent:
            yield f"## {context.command_path}"
        yield f"```\n{_click_help(context)}\n```"


def agent_page_parts() -> Iterator[str]:
    top = agent_parser()
    yield "# surefoot-agent"
    yield f"{top.description}\n\n{top.epilog}"
    for name, verb in _verbs(top).items():
        yield from _verb_parts(f"surefoot-agent {name}", verb)


def _verb_parts(path: str, verb: argparse.ArgumentParser) -> Iterator[str]:
    """A verb and the verbs below it."""
    yield f"## {path}"
    yield "\n\n".join(text for text in (verb.description, verb.epilog) if text)
    below = (argparse._HelpAction, argparse._SubParsersAction)
    if options := [_option(action) for action in verb._actions if not isinstance(action, below)]:
        yield "\n".join(options)
    for name, deeper in _verbs(verb).items():
        yield from _verb_parts(f"{path} {name}", deeper)


def _context(command: click.Command, parent: click.Context | None = None, name: str = "surefoot") -> click.Context:
    """A context as click makes it, at a fixed width; a command's own settings (its -h) hold, below it too."""
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    return click.Context(command, info_name=name, parent=parent, **settings)


def _walk(context: click.Context) -> Iterator[click.Context]:
    """The command and every one below it, in the order that its help lists them."""
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from _walk(_context(below, context, name))


def _click_help(context: click.Context) -> str:
    return context.command.get_help(context)


def _verbs(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    verbs = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {name: verb for each in verbs for name, verb in each.choices.items()}


def _option(action: argparse.Action) -> str:
    name = ", ".join(action.option_strings) or action.dest
    value = f" {action.metavar or action.dest.upper()}" if action.option_strings and action.nargs != 0 else ""
    return f"- `{name}{value}`{' (required)' if action.required else ''}: {action.help}"
