"""`surefoot drill`: rehearse going back on lab devices, and measure how long it takes."""

from __future__ import annotations

import time
from dataclasses import dataclass

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import DURATION, LIFETIME, NAME, Text, Whole, path
from surefoot_server.cli.terminal import (
    Terminal,
    Verbs,
    columns,
    count,
    facts,
    json_option,
    pass_terminal,
    yes_option,
)
from surefoot_shared import wire

GATE_FAILED, TIMED_OUT = 6, 7
ASK_EVERY_S = 2.0
cohort_option = click.option(
    "--cohort", type=Text(4000), default="tag('lab')", show_default=True, help="Saved cohort or expression."
)
component_option = click.option("--component", type=Text(32), default="app", show_default=True, help="Of the devices.")
limit_option = click.option(
    "--limit", "limit_s", type=LIFETIME, default="1h", show_default=True, help="Each way may take this long."
)


@dataclass(frozen=True)
class Device:
    device: str
    step: str
    reason: str
    release: str | None
    previous: str | None
    revert_s: float | None
    apply_s: float | None


@dataclass(frozen=True)
class Drill:
    id: str
    component: str
    cohort: str
    limit_s: float
    state: str
    reason: str
    started_at: str
    started_by: str
    devices: tuple[Device, ...]


@dataclass(frozen=True)
class Schedule:
    id: int
    component: str
    cohort: str
    every_s: float
    next_at: str
    stopped_at: str | None


@click.group(cls=Verbs)
def drill() -> None:
    """Rehearse going back on lab devices, and measure how long it takes.

    \b
    Example:
      surefoot drill run --cohort "tag('lab')"
      surefoot drill schedule --every 7d
    """


@drill.command()
@component_option
@cohort_option
@limit_option
@click.option("-w", "--watch", "wait", is_flag=True, help="Wait for the end; exit code 6 where it failed.")
@click.option("--timeout", type=DURATION, help="Stop waiting after this long and exit with 7.")
@yes_option
@json_option
@pass_terminal
def run(
    terminal: Terminal, component: str, cohort: str, limit_s: float, wait: bool, timeout: float | None, yes: bool
) -> int:
    """Take every device of the cohort back to its release before, and forward again, now.

    \b
    Example:
      surefoot drill run --cohort "tag('lab')" -w
    """
    terminal.confirm(f"Take {component} back and forth on the devices of {cohort}?", yes)
    with terminal.api() as api:
        answer = api.post("/drills", {"component": component, "cohort": cohort, "limit_s": limit_s})
        found = wire.from_json(Drill, answer)
        until = time.monotonic() + (timeout if timeout is not None else float("inf"))
        while wait and found.state == "running" and time.monotonic() < until:
            time.sleep(ASK_EVERY_S)
            answer = api.get(path("drills", found.id))
            found = wire.from_json(Drill, answer)
    terminal.data(answer, f"Drill {found.id} is {found.state}" + (f": {found.reason}." if found.reason else "."))
    return GATE_FAILED if found.state == "failed" else TIMED_OUT if wait and found.state == "running" else 0


@drill.command("list")
@json_option
@pass_terminal
def list_drills(terminal: Terminal) -> None:
    """List drills, the newest first, with the time that going back took.

    \b
    Example:
      surefoot drill list
    """
    with terminal.api() as api:
        answer, planned = api.get("/drills"), api.get("/drills/schedules")
    rows = [
        (d.id, d.component, d.cohort, d.state, shown.when(d.started_at), count(_took_part(d), "device"), d.reason)
        for d in shown.many(Drill, answer)
    ]
    due = [
        (s.id, s.component, s.cohort, shown.span(s.every_s), "stopped" if s.stopped_at else shown.when(s.next_at))
        for s in shown.many(Schedule, planned)
    ]
    said = columns(("DRILL", "COMPONENT", "COHORT", "IS", "STARTED", "WITH", "RESULT"), rows)
    terminal.data(
        answer, said + ("\n\n" + columns(("SCHEDULE", "COMPONENT", "COHORT", "EVERY", "NEXT"), due) if due else "")
    )


@drill.command()
@click.argument("drill_id", metavar="DRILL", type=NAME)
@json_option
@pass_terminal
def show(terminal: Terminal, drill_id: str) -> int:
    """Show a drill device by device; exit code 6 where it failed.

    \b
    Example:
      surefoot drill show d3
    """
    with terminal.api() as api:
        answer = api.get(path("drills", drill_id))
    found = wire.from_json(Drill, answer)
    block = facts(
        [
            ("Drill", f"{found.id} of {found.component}, by {found.started_by}"),
            ("Devices of", found.cohort),
            ("State", found.state),
            ("Result", found.reason),
            ("Started", shown.when(found.started_at)),
        ]
    )
    rows = [
        (d.device, d.release or "", d.previous or "", d.step, _seconds(d.revert_s), _seconds(d.apply_s), d.reason)
        for d in found.devices
    ]
    head = ("DEVICE", "RUNS", "BACK TO", "IS", "BACK IN", "FORTH IN", "WHY")
    terminal.data(answer, "\n\n".join([block, columns(head, rows)]))
    return GATE_FAILED if found.state == "failed" else 0


@drill.command()
@click.option("--every", "every_s", type=LIFETIME, help="How often, such as 7d.")
@component_option
@cohort_option
@limit_option
@click.option("--stop", type=Whole(1, 999_999_999), metavar="SCHEDULE", help="Stop this schedule instead.")
@json_option
@pass_terminal
def schedule(
    terminal: Terminal, every_s: float | None, component: str, cohort: str, limit_s: float, stop: int | None
) -> None:
    """Run a drill every so often, or stop doing so.

    \b
    Example:
      surefoot drill schedule --every 7d
      surefoot drill schedule --stop 1
    """
    if (every_s is None) == (stop is None):
        raise click.UsageError("Give either --every or --stop.")
    with terminal.api() as api:
        if stop is not None:
            answer = api.post(path("drills", "schedules", str(stop), "stop"), {})
            terminal.data(answer, f"Schedule {stop} is stopped.")
            return
        body: dict[str, wire.Json] = {"component": component, "cohort": cohort, "limit_s": limit_s, "every_s": every_s}
        answer = api.post("/drills/schedules", body)
    made = wire.from_json(Schedule, answer)
    terminal.data(answer, f"Schedule {made.id}: the first drill is at {shown.when(made.next_at)}.")


def _took_part(found: Drill) -> int:
    return sum(1 for d in found.devices if d.step != "skipped")


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} s"
