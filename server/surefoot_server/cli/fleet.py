"""`surefoot apply`, `diff` and `export`: the fleet's configuration as a file that lives in git.

Promises: what is shown is what is done, since the server refuses where anything changed in between; nothing is removed
unless the number of things to remove was given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from surefoot_server.cli.params import Whole
from surefoot_server.cli.terminal import Command, Terminal, count, json_option, pass_terminal, yes_option
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, Invalid

DIFFERS = 1
ABOUT = "The fleet's document"
NOTHING = "Everything is as the file says."
SIGNS = {"add": "+", "change": "~", "remove": "-"}


@dataclass(frozen=True)
class Change:
    kind: str
    name: str
    act: str
    before: Mapping[str, str] | None
    after: Mapping[str, str] | None


@dataclass(frozen=True)
class Thing:
    kind: str
    name: str


@dataclass(frozen=True)
class Plan:
    changes: tuple[Change, ...]
    left: tuple[Thing, ...]
    base: str


@dataclass(frozen=True)
class Applied:
    secrets: Mapping[str, str]


@dataclass(frozen=True)
class Fleet:
    document: str


def file_option(command: Command) -> Command:
    return click.option(
        "-f", "--file", "file", type=click.Path(path_type=Path), required=True, help="YAML file; - is standard input."
    )(command)


@click.command()
@file_option
@click.option("--prune", type=Whole(0, 1_000_000), help="Also remove so many things that the file lacks.")
@yes_option
@json_option
@pass_terminal
def apply(terminal: Terminal, file: Path, prune: int | None, yes: bool) -> None:
    """Make cohorts, policies, channels and webhooks what FILE says: all of it, or nothing; twice is once.

    A part that the file leaves out is not touched. What the file lacks stays, unless --prune says how many things go.
    The signing secret of a webhook that is made is printed, this once; only administrators change webhooks.

    \b
    Example:
      surefoot apply -f fleet.yaml
      surefoot apply -f fleet.yaml --prune 2 --yes
    """
    with terminal.api() as api:
        body: dict[str, wire.Json] = {"document": _read(file), "prune": prune}
        answer = _told(file, lambda: api.post("/configuration/plan", body))
        plan = wire.from_json(Plan, answer)
        if not plan.changes:
            terminal.data(answer, NOTHING)
            return
        terminal.say(_shown(plan))
        terminal.confirm(f"{_counted(plan)}: do it?", yes)
        answer = _told(file, lambda: api.post("/configuration/apply", {**body, "base": plan.base}))
    done = wire.from_json(Applied, answer)
    secrets = [f"The secret of webhook {name}, shown this once: {secret}" for name, secret in done.secrets.items()]
    terminal.data(answer, "\n".join([f"Done: {_counted(wire.from_json(Plan, answer))}.", *secrets]))


@click.command()
@file_option
@json_option
@pass_terminal
def diff(terminal: Terminal, file: Path) -> int:
    """Show what `surefoot apply` would change, thing by thing: - is what there is, + what FILE says.

    Exit code 0: nothing; 1: something; where FILE is wrong 2. A server that is out of reach ends with 1 too, with
    nothing on stdout.

    \b
    Example:
      surefoot diff -f fleet.yaml
    """
    with terminal.api() as api:
        body: dict[str, wire.Json] = {"document": _read(file)}
        answer = _told(file, lambda: api.post("/configuration/plan", body))
    plan = wire.from_json(Plan, answer)
    terminal.data(answer, _shown(plan) if plan.changes else "")
    terminal.say(f"{_counted(plan)}.{_left(plan, file)}" if plan.changes else NOTHING + _left(plan, file))
    return DIFFERS if plan.changes else 0


@click.command()
@json_option
@pass_terminal
def export(terminal: Terminal) -> None:
    """Print the fleet's cohorts, policies, channels and webhooks as a file that `surefoot apply` takes.

    No secret is in it: an address that may hold a token is left out, and so stays where the file is applied.

    \b
    Example:
      surefoot export > fleet.yaml
    """
    with terminal.api() as api:
        answer = api.get("/configuration")
    terminal.data(answer, wire.from_json(Fleet, answer).document.rstrip())


def _read(file: Path) -> str:
    try:
        if str(file) == "-":
            return sys.stdin.read()
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("config_unreadable", f"{file} cannot be read: {error}.", "Name a YAML file.") from error


def _told(file: Path, ask: Callable[[], wire.Json]) -> wire.Json:
    """Ask; what is wrong with the document is told with the name of its file."""
    try:
        return ask()
    except Invalid as error:
        if not error.message.startswith(f"{ABOUT}:"):
            raise
        raise Invalid(error.kind, f"{file}{error.message.removeprefix(ABOUT)}", error.hint) from error


def _shown(plan: Plan) -> str:
    return "\n".join(line for change in plan.changes for line in _lines(change))


def _lines(change: Change) -> list[str]:
    """A head with a sign, then each field that differs: what it was with -, what it becomes with +."""
    before, after = change.before or {}, change.after or {}
    found = [f"{SIGNS[change.act]} {change.kind} {change.name}"]
    for field in dict.fromkeys((*before, *after)):
        was, becomes = before.get(field, ""), after.get(field, "")
        if was != becomes:
            found += [*_side("-", field, was), *_side("+", field, becomes)]
    return found


def _side(sign: str, field: str, text: str) -> list[str]:
    lines = text.splitlines()
    if len(lines) <= 1:
        return [f"    {sign} {field}: {line}" for line in lines]
    return [f"    {sign} {field}:", *(f"    {sign}   {line}" for line in lines)]


def _counted(plan: Plan) -> str:
    return ", ".join(f"{sum(c.act == act for c in plan.changes)} to {act}" for act in SIGNS)


def _left(plan: Plan, file: Path) -> str:
    if not plan.left:
        return ""
    names = ", ".join(f"{thing.kind} {thing.name}" for thing in plan.left)
    number = len(plan.left)
    stays = f"{count(number, 'thing')} that the file lacks {'stays' if number == 1 else 'stay'}: {names}."
    return f"\n{stays}\n  To remove: surefoot apply -f {file} --prune {number}"
