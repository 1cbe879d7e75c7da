"""`surefoot channel`: dev, staging, production; what a release must show before the next; and `release promote`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import NAME, Text, path
from surefoot_server.cli.terminal import (
    Terminal,
    Verbs,
    columns,
    facts,
    json_option,
    pass_terminal,
    yes_option,
)
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError
from surefoot_shared.wire import Json

GATE_FAILED = 6
release_argument = click.argument("release", metavar="COMPONENT/VERSION", type=Text(100))


@dataclass(frozen=True)
class Entry:
    release: str
    digest: str
    at: str
    by: str


@dataclass(frozen=True)
class Channel:
    name: str
    after: str | None
    cohort: str
    policy: str
    requires: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Answer:
    requirement: str
    met: bool
    said: str


@dataclass(frozen=True)
class Promoted:
    channel: str
    release: str
    rollout: str | None


@dataclass(frozen=True)
class Apart:
    channel: str
    component: str
    release: str | None
    behind: int
    devices: int
    on_it: int
    others: Mapping[str, int]
    todo: str


@dataclass(frozen=True)
class Leftover:
    release: str
    devices: tuple[str, ...]
    why: str
    todo: str


@click.group(cls=Verbs)
def channel() -> None:
    """Move releases from dev to staging to production, each step with what it requires.

    \b
    Example:
      surefoot channel create dev --cohort "channel == 'dev'"
      surefoot channel create production --after dev --cohort "channel == 'production'" --requires prod.yaml
      surefoot release promote app/1.1 --to dev --start
    """


@channel.command()
@click.argument("name", type=NAME)
@click.option("--cohort", type=Text(4000), required=True, help="Saved cohort or expression: its devices.")
@click.option("--after", type=NAME, help="The channel that a release must have been in before.")
@click.option("--policy", type=click.Path(path_type=Path, dir_okay=False), help="YAML file for rollouts in it.")
@click.option("--requires", type=click.Path(path_type=Path, dir_okay=False), help="YAML file: what must be shown.")
@json_option
@pass_terminal
def create(
    terminal: Terminal, name: str, cohort: str, after: str | None, policy: Path | None, requires: Path | None
) -> None:
    """Make a channel behind another.

    REQUIRES is YAML about the channel before: baked: {for: 24h, devices: 5}, tests: [NAME], acceptance: 1.

    \b
    Example:
      surefoot channel create staging --after dev --cohort "channel == 'staging'" --requires staging.yaml
    """
    body: dict[str, Json] = {"name": name, "cohort": cohort, "after": after}
    body |= {"policy": _read(policy), "requires": _read(requires)}
    with terminal.api() as api:
        answer = api.post("/channels", body)
    terminal.data(answer, f"Channel {name} is made" + (f", after {after}." if after else ", the first."))


@channel.command("list")
@json_option
@pass_terminal
def list_channels(terminal: Terminal) -> None:
    """List channels in the order of promotion, with the newest release of each.

    \b
    Example:
      surefoot channel list
    """
    with terminal.api() as api:
        answer = api.get("/channels")
    rows = [
        (c.name, c.after or "", c.cohort, c.entries[0].release if c.entries else "nothing yet", len(c.entries))
        for c in shown.many(Channel, answer)
    ]
    terminal.data(answer, columns(("CHANNEL", "AFTER", "COHORT", "NEWEST", "RELEASES"), rows))


@channel.command()
@click.argument("name", type=NAME)
@json_option
@pass_terminal
def show(terminal: Terminal, name: str) -> None:
    """Show a channel: what it requires, and what was promoted into it.

    \b
    Example:
      surefoot channel show staging
    """
    with terminal.api() as api:
        answer = api.get(path("channels", name))
    found = wire.from_json(Channel, answer)
    block = facts(
        [
            ("Channel", found.name),
            ("After", found.after or "nothing: it is the first"),
            ("Cohort", found.cohort),
            ("Requires", " ".join(found.requires.split())),
        ]
    )
    rows = [(e.release, e.digest[:12], shown.when(e.at), e.by) for e in found.entries]
    terminal.data(answer, "\n\n".join([block, columns(("RELEASE", "DIGEST", "PROMOTED", "BY"), rows)]))


@channel.command()
@click.argument("name", type=NAME)
@release_argument
@json_option
@pass_terminal
def ready(terminal: Terminal, name: str, release: str) -> int:
    """Say what the channel requires of a release and whether it was shown; exit code 6 where something is missing.

    \b
    Example:
      surefoot channel ready production app/1.1
    """
    with terminal.api() as api:
        answer = api.get(path("channels", name, "ready"), release=release)
    found = shown.many(Answer, answer)
    terminal.data(answer, _answers(found))
    return 0 if all(a.met for a in found) else GATE_FAILED


@channel.command()
@click.argument("name", type=NAME)
@release_argument
@click.option("--note", type=Text(500), default="", help="What was looked at; goes into the audit trail.")
@click.option("--refuse", is_flag=True, help="Say that it is not acceptable.")
@json_option
@pass_terminal
def accept(terminal: Terminal, name: str, release: str, note: str, refuse: bool) -> None:
    """Accept a release in the channel where it runs; the person who promotes it is not counted.

    \b
    Example:
      surefoot channel accept staging app/1.1 --note "looked at ten cameras at night"
    """
    _note(terminal, name, {"release": release, "passed": not refuse, "note": note})


@channel.command()
@click.argument("name", type=NAME)
@release_argument
@click.argument("test", type=NAME)
@click.option("--failed", is_flag=True, help="It failed.")
@click.option("--note", type=Text(500), default="", help="Where its log is, for example.")
@json_option
@pass_terminal
def test(terminal: Terminal, name: str, release: str, test: str, failed: bool, note: str) -> None:
    """Note a test's result for a release in a channel; for a pipeline. The newest result of a name counts.

    \b
    Example:
      surefoot channel test staging app/1.1 night-count --note https://ci.example/42
    """
    _note(terminal, name, {"release": release, "test": test, "passed": not failed, "note": note})


@channel.command()
@json_option
@pass_terminal
def parity(terminal: Terminal) -> None:
    """Report how far each channel is behind the one before, who runs something else, and what to do.

    \b
    Example:
      surefoot channel parity
    """
    with terminal.api() as api:
        answer = api.get("/channels/parity")
    rows = [
        (a.channel, a.component, a.release or "nothing yet", a.behind, f"{a.on_it} of {a.devices}", _others(a), a.todo)
        for a in shown.many(Apart, answer)
    ]
    terminal.data(answer, columns(("CHANNEL", "COMPONENT", "NEWEST", "BEHIND", "ON IT", "OTHERS", "DO"), rows))


@channel.command()
@json_option
@pass_terminal
def cleanup(terminal: Terminal) -> None:
    """Report devices on releases that no channel holds, and releases that nobody needs, with what to do.

    \b
    Example:
      surefoot channel cleanup
    """
    with terminal.api() as api:
        answer = api.get("/channels/cleanup")
    rows = [(f.release, len(f.devices), f.why, f.todo) for f in shown.many(Leftover, answer)]
    terminal.data(answer, columns(("RELEASE", "DEVICES", "WHY", "DO"), rows) if rows else "Nothing is left over.")


@click.command()
@release_argument
@click.option("--to", "name", type=NAME, required=True, help="The channel.")
@click.option(
    "--with", "also", multiple=True, metavar="RELEASE", help="Another that is promoted with it, as one set; repeatable."
)
@click.option("--start", is_flag=True, help="Also start a rollout to its cohort under its policy.")
@yes_option
@json_option
@pass_terminal
def promote(terminal: Terminal, release: str, also: tuple[str, ...], name: str, start: bool, yes: bool) -> int:
    """Put a release into a channel, where everything that the channel requires was shown; else exit code 6.

    \b
    Example:
      surefoot release promote app/1.1 --with model/2.0 --to production --start
    """
    named, are = " and ".join((release, *also)), "are" if also else "is"
    with terminal.api() as api:
        for each in (release, *also):
            found = shown.many(Answer, api.get(path("channels", name, "ready"), release=each))
            terminal.say(_answers(found))
            if not all(a.met for a in found):
                terminal.say(f"{each} is not ready for {name}.")
                return GATE_FAILED
        then = " and start a rollout to its devices" if start else ""
        terminal.confirm(f"Promote {named} to {name}{then}?", yes)
        order: dict[str, Json] = {"release": release, "also": list(also), "start": start}
        answer = api.post(path("channels", name, "promote"), order)
    made = wire.from_json(Promoted, answer)
    then = f"; rollout {made.rollout} has begun" if made.rollout else ""
    terminal.data(answer, f"{named} {are} in {name}{then}.")
    return 0


def _note(terminal: Terminal, name: str, body: dict[str, Json]) -> None:
    with terminal.api() as api:
        answer = api.post(path("channels", name, "note"), body)
    (found,) = shown.many(Answer, answer)
    terminal.data(
        answer, f"Noted for {body['release']} in {name}: {found.requirement}, {'yes' if found.met else 'no'}."
    )


def _answers(found: list[Answer]) -> str:
    return columns(("REQUIREMENT", "MET", "SHOWN"), [(a.requirement, "yes" if a.met else "no", a.said) for a in found])


def _others(found: Apart) -> str:
    return ", ".join(f"{n} on {release}" for release, n in found.others.items())


def _read(file: Path | None) -> str:
    try:
        return file.read_text(encoding="utf-8") if file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("config_unreadable", f"{file} cannot be read: {error}.", "Name a YAML file.") from error
