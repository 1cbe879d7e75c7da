"""`surefoot rollout`: plan, start, watch and stop rollouts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from surefoot_server.cli import picture, shown
from surefoot_server.cli.decisions import decisions
from surefoot_server.cli.params import DURATION, NAME, Text, Whole, path
from surefoot_server.cli.terminal import Terminal, Verbs, columns, count, json_option, pass_terminal, yes_option
from surefoot_server.cli.verdict import verdict
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, Invalid
from surefoot_shared.wire import Json

if TYPE_CHECKING:
    from surefoot_server.cli.client import Api

CONFLICT = 5
SAVED = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""How a saved policy may be named."""
POLICY_CHARACTERS = 64 * 1024
"""As many as the server reads."""
Command = TypeVar("Command", bound=Callable[..., Any])
reason_option = click.option("--reason", type=Text(500), default="", help="Goes into the audit trail.")


@click.group(cls=Verbs)
def rollout() -> None:
    """Plan, start, watch and stop rollouts.

    \b
    Example:
      surefoot rollout plan --release app/1.1 --cohort all --policy canary.yaml
      surefoot rollout start --release app/1.1 --cohort all --policy canary.yaml
      surefoot rollout status r1 -w
    """


def order_options(command: Command) -> Command:
    """What plan and start both take."""
    for option in (
        click.option(
            "--policy", type=click.Path(path_type=Path, dir_okay=False), help="YAML file, or a saved policy's name."
        ),
        click.option("--cohort", type=Text(4000), help="Saved cohort or expression; wins over the policy's."),
        click.option(
            "--release",
            "releases",
            type=Text(100),
            multiple=True,
            help="COMPONENT/VERSION; wins over the policy's. Several are one set, started in this order.",
        ),
    ):
        command = option(command)
    return command


@rollout.command()
@order_options
@json_option
@pass_terminal
def plan(terminal: Terminal, releases: tuple[str, ...], cohort: str | None, policy: Path | None) -> int:
    """Show who would get the release when, what stops it, who is left out and why; changes nothing.

    It exits with 5 where nobody would get it, as start does.

    \b
    Example:
      surefoot rollout plan --release app/1.1 --cohort "country == 'VN'" --policy canary.yaml
    """
    with terminal.api() as api:
        answer = _planned(api, _order(releases, cohort, policy), policy)
    found = wire.from_json(shown.Plan, answer)
    terminal.data(answer, picture.plan_text(found))
    if found.total or found.satisfied:
        return 0
    out = len(found.excluded)
    nobody = f"No device belongs to {found.cohort}."
    terminal.say(f"Nobody would get it: {count(out, 'device')} left out." if out else nobody)
    return CONFLICT


@rollout.command()
@order_options
@click.option("--lift-halt", is_flag=True, help="The release is on the halt list and was not to blame: lift it.")
@click.option("--accept-blind", is_flag=True, help="Of recreate: accept the blind time, and no way back on the device.")
@yes_option
@json_option
@pass_terminal
def start(
    terminal: Terminal,
    releases: tuple[str, ...],
    cohort: str | None,
    policy: Path | None,
    lift_halt: bool,
    accept_blind: bool,
    yes: bool,
) -> None:
    """Show the plan, ask, and start exactly that.

    \b
    Example:
      surefoot rollout start --release app/1.1 --cohort all --policy canary.yaml
      surefoot rollout start --release model/2.0 --release app/1.1 --cohort all
    """
    order = _order(releases, cohort, policy)
    with terminal.api() as api:
        planned = wire.from_json(shown.Plan, _planned(api, order, policy))
        terminal.say(picture.plan_text(planned))
        terminal.confirm(f"Start it on {count(planned.total, 'device')}?", yes)
        accepted: dict[str, Json] = {"lift_halt": lift_halt, "accept_blind": accept_blind}
        answer = api.post("/rollouts", {**order, "salt": planned.salt, **accepted})
    made = wire.from_json(shown.Rollout, answer)
    terminal.data(answer, made.id)
    terminal.say(f"Rollout {made.id} is {made.state}. Watch it: surefoot rollout status {made.id} -w")


@rollout.command()
@click.argument("rollout_id", metavar="ROLLOUT", type=NAME)
@click.option("-w", "--watch", "wait", is_flag=True, help="Wait for the end; the exit code is the answer.")
@click.option("--timeout", type=DURATION, help="Stop waiting after this long and exit with 7.")
@json_option
@pass_terminal
def status(terminal: Terminal, rollout_id: str, wait: bool, timeout: float | None) -> int:
    """Show a rollout with its phases, or watch it until it ends.

    With -w it waits through paused and held, saying so; exit codes: 0 succeeded, 6 failed, halted or cancelled,
    7 at --timeout.

    \b
    Example:
      surefoot rollout status r1 -w --timeout 2h
    """
    from surefoot_server.cli import watch

    with terminal.api() as api:
        last: list[Json] = [api.get(path("rollouts", rollout_id))]  # a wrong id is told at once, not waited for

        def fetch() -> shown.Rollout:
            last[0] = api.get(path("rollouts", rollout_id))
            return wire.from_json(shown.Rollout, last[0])

        code = watch.watch(fetch, watch.screen(), timeout) if wait else 0
        found = wire.from_json(shown.Rollout, last[0])
        words = picture.sentence(found)
        if not wait:
            words = "\n".join([*picture.tree(found), *_holding_up(terminal, api, found)])
    terminal.data(last[0], words)
    return code


rollout.add_command(verdict)
rollout.add_command(decisions)


@rollout.command("list")
@click.option("--limit", type=Whole(1, 1000), default=20, show_default=True, help="How many, the newest first.")
@json_option
@pass_terminal
def list_rollouts(terminal: Terminal, limit: int) -> None:
    """List rollouts, the newest first.

    \b
    Example:
      surefoot rollout list
    """
    with terminal.api() as api:
        answer = api.get("/rollouts", limit=limit)
    rows = [
        (r.id, r.release, r.cohort, r.state, f"{r.committed} of {r.members}", shown.when(r.created_at), r.reason)
        for r in shown.many(shown.RolloutLine, answer)
    ]
    terminal.data(answer, columns(("ID", "RELEASE", "COHORT", "STATE", "COMMITTED", "CREATED", "REASON"), rows))


@rollout.command()
@click.argument("rollout_id", metavar="ROLLOUT", type=NAME)
@reason_option
@json_option
@pass_terminal
def pause(terminal: Terminal, rollout_id: str, reason: str) -> None:
    """Offer nothing new; devices that are at it go on, and a failed verdict still counts.

    \b
    Example:
      surefoot rollout pause r1 --reason "power work in Hanoi"
    """
    _act(terminal, rollout_id, "pause", {"reason": reason})


@rollout.command()
@click.argument("rollout_id", metavar="ROLLOUT", type=NAME)
@reason_option
@json_option
@pass_terminal
def resume(terminal: Terminal, rollout_id: str, reason: str) -> None:
    """Go on after a pause, a hold or a halt, acknowledging the failures seen so far.

    After a halt the release leaves the halt list, and what the halt withdrew is offered again.

    \b
    Example:
      surefoot rollout resume r1 --reason "the two failures were a broken switch"
    """
    _act(terminal, rollout_id, "resume", {"reason": reason})


@rollout.command()
@click.argument("rollout_id", metavar="ROLLOUT", type=NAME)
@click.option(
    "--committed",
    type=click.Choice(["keep", "revert"]),
    default="keep",
    show_default=True,
    help="Devices that have it keep it, or go back.",
)
@reason_option
@yes_option
@json_option
@pass_terminal
def halt(terminal: Terminal, rollout_id: str, committed: str, reason: str, yes: bool) -> None:
    """Stop every device that has not switched; the release goes on the fleet's halt list.

    \b
    Example:
      surefoot rollout halt r1 --committed revert --reason "counts are wrong"
    """
    _ask_then_act(terminal, rollout_id, "halt", {"reason": reason, "committed": committed}, yes, _halting(committed))


@rollout.command()
@click.argument("rollout_id", metavar="ROLLOUT", type=NAME)
@reason_option
@yes_option
@json_option
@pass_terminal
def revert(terminal: Terminal, rollout_id: str, reason: str, yes: bool) -> None:
    """Take the release back from every device that this rollout gave it to.

    It first says who returns without a download, who must fetch, and who cannot and why.

    \b
    Example:
      surefoot rollout revert r1 --reason "counts are wrong"
    """
    with terminal.api() as api:
        forecast = wire.from_json(shown.Forecast, api.get(path("rollouts", rollout_id, "revert")))
    terminal.say(f"Of the devices that have it, {forecast.sentence}.")
    _ask_then_act(terminal, rollout_id, "revert", {"reason": reason}, yes, _taking_back)


@rollout.command()
@click.argument("rollout_id", metavar="ROLLOUT", type=NAME)
@reason_option
@json_option
@pass_terminal
def approve(terminal: Terminal, rollout_id: str, reason: str) -> None:
    """Say yes to a rollout, or its next phase, that waits for approval; never to one that you started.

    \b
    Example:
      surefoot rollout approve r1 --reason "the canaries look good"
    """
    _act(terminal, rollout_id, "approve", {"reason": reason})


@rollout.command()
@click.argument("rollout_id", metavar="ROLLOUT", type=NAME)
@reason_option
@yes_option
@json_option
@pass_terminal
def reject(terminal: Terminal, rollout_id: str, reason: str, yes: bool) -> None:
    """Say no to what waits for approval: the rollout is cancelled, devices that have the release keep it.

    \b
    Example:
      surefoot rollout reject r1 --reason "not before the holidays"
    """
    _ask_then_act(terminal, rollout_id, "reject", {"reason": reason}, yes, _stopping)


@rollout.command()
@click.argument("rollout_id", metavar="ROLLOUT", type=NAME)
@click.option("--device", "devices", multiple=True, type=Text(64), help="Only this one; may be given again.")
@reason_option
@json_option
@pass_terminal
def retry(terminal: Terminal, rollout_id: str, devices: tuple[str, ...], reason: str) -> None:
    """Let devices that failed, reverted, refused or were lost have their turn again; their old failure counts no more.

    \b
    Example:
      surefoot rollout retry r1 --device cam-17 --reason "its disk was full and is not any more"
    """
    _act(terminal, rollout_id, "retry", {"reason": reason, "devices": list(devices)})


@rollout.command()
@click.argument("rollout_id", metavar="ROLLOUT", type=NAME)
@reason_option
@yes_option
@json_option
@pass_terminal
def cancel(terminal: Terminal, rollout_id: str, reason: str, yes: bool) -> None:
    """Stop for good; devices that have the release keep it, and it stays allowed elsewhere.

    \b
    Example:
      surefoot rollout cancel r1
    """
    _ask_then_act(terminal, rollout_id, "cancel", {"reason": reason}, yes, _stopping)


Question = Callable[[shown.Rollout], str]


def _halting(committed: str) -> Question:
    def ask(found: shown.Rollout) -> str:
        back = f" and take it back from {count(found.committed, 'device')}" if committed == "revert" else ""
        return f"Halt {found.release} for {_unfinished(found)}{back}?"

    return ask


def _taking_back(found: shown.Rollout) -> str:
    return f"Take {found.release} back from {count(found.committed - found.taken_back, 'device')}?"


def _stopping(found: shown.Rollout) -> str:
    return f"Cancel {found.release} for {_unfinished(found)}?"


def _unfinished(found: shown.Rollout) -> str:
    return count(found.waiting + found.busy, "device") + " without it"


def _ask_then_act(
    terminal: Terminal, rollout_id: str, act: str, body: dict[str, Json], yes: bool, question: Question
) -> None:
    with terminal.api() as api:
        found = wire.from_json(shown.Rollout, api.get(path("rollouts", rollout_id)))
    terminal.confirm(question(found), yes)
    _act(terminal, rollout_id, act, body)


def _act(terminal: Terminal, rollout_id: str, act: str, body: dict[str, Json]) -> None:
    with terminal.api() as api:
        answer = api.post(path("rollouts", rollout_id, act), body)
    terminal.data(answer, picture.sentence(wire.from_json(shown.Rollout, answer)))


def _holding_up(terminal: Terminal, api: Api, found: shown.Rollout) -> list[str]:
    """The devices that the open phase waits for; nothing is asked where the answer would not be shown."""
    if terminal.json or found.ended or not found.busy + found.waiting:
        return []
    members = shown.many(shown.Member, api.get(path("rollouts", found.id, "members")))
    return picture.holding_up(found, members)


def _planned(api: Api, order: dict[str, Json], policy: Path | None) -> Json:
    """Ask for the plan; what is wrong with the policy is told with the name of its file."""
    try:
        return api.post("/rollouts/plan", order)
    except Invalid as error:
        about = "The policy"
        if policy is None or not error.message.startswith(about):
            raise
        raise Invalid(error.kind, f"{about} {policy}{error.message.removeprefix(about)}", error.hint) from error


def _order(releases: Sequence[str], cohort: str | None, policy: Path | None) -> dict[str, Json]:
    order: dict[str, Json] = {
        "release": releases[0] if releases else None,
        "also": list(releases[1:]),
        "cohort": cohort,
    }
    if policy and not policy.exists() and SAVED.fullmatch(str(policy)):
        return {**order, "policy": str(policy)}
    try:
        text = policy.read_text(encoding="utf-8") if policy else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "config_unreadable", f"The policy {policy} cannot be read: {error}.", "Name a YAML file."
        ) from error
    if len(text) > POLICY_CHARACTERS:
        raise Invalid("malformed", f"The policy {policy} has {len(text)} characters; {POLICY_CHARACTERS} are allowed.")
    return {**order, "policy": text}
