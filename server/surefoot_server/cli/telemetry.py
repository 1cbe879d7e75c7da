"""`surefoot telemetry`: what devices measure, by device, cohort and release, and how they fail."""

from __future__ import annotations

from dataclasses import dataclass

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import NAME, Text
from surefoot_server.cli.terminal import Terminal, Verbs, columns, json_option, pass_terminal

HOURS = click.FloatRange(0, 8760, min_open=True)


@dataclass(frozen=True)
class Newest:
    name: str
    at: str
    value: float
    unit: str | None
    component: str | None
    slot: str | None


@dataclass(frozen=True)
class Summary:
    device: str
    samples: int
    mean: float
    median: float
    p95: float
    slope_per_h: float


@dataclass(frozen=True)
class Failure:
    release: str
    kind: str
    outcome: str
    devices: int
    last_at: str
    example_device: str
    example: str


@click.group(cls=Verbs)
def telemetry() -> None:
    """See what devices measure, and how they fail.

    \b
    Example:
      surefoot telemetry latest cam-17
      surefoot telemetry compare camera_fps --cohort hanoi
    """


@telemetry.command()
@click.argument("device_id", metavar="DEVICE", type=NAME)
@json_option
@pass_terminal
def latest(terminal: Terminal, device_id: str) -> None:
    """Show the newest value of every metric of one device.

    \b
    Example:
      surefoot telemetry latest cam-17
    """
    with terminal.api() as api:
        answer = api.get("/telemetry/latest", device=device_id)
    rows = [
        (each.name, f"{each.value:g}", each.unit or "", each.component or "node", each.slot or "", each.at)
        for each in shown.many(Newest, answer)
    ]
    terminal.data(answer, columns(("METRIC", "VALUE", "UNIT", "OF", "SLOT", "AT"), rows))


@telemetry.command()
@click.argument("device_id", metavar="DEVICE", type=NAME)
@click.argument("metric", type=Text(120))
@click.option("--release", type=Text(100), default="", help="Only while COMPONENT/VERSION ran.")
@click.option("--hours", type=HOURS, default=1.0, show_default=True, help="How far back.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many, newest first.")
@json_option
@pass_terminal
def samples(terminal: Terminal, device_id: str, metric: str, release: str, hours: float, limit: int) -> None:
    """List what a device measured of a METRIC, the newest first.

    \b
    Example:
      surefoot telemetry samples cam-17 camera_fps --hours 6
    """
    with terminal.api() as api:
        answer = api.get(
            "/telemetry",
            device=device_id,
            metric=metric,
            release=release,
            since_s=round(hours * 3600),
            limit=limit,
        )
    rows = [
        (each.at, f"{each.value:g}", each.unit or "", each.component or "node", each.slot or "")
        for each in shown.many(Newest, answer)
    ]
    terminal.data(answer, columns(("AT", "VALUE", "UNIT", "OF", "SLOT"), rows))


@telemetry.command()
@click.argument("metric", type=Text(120))
@click.option("--cohort", type=Text(2000), default="all", show_default=True, help="A saved cohort, or an expression.")
@click.option("--release", type=Text(100), default="", help="Only while COMPONENT/VERSION ran.")
@click.option("--hours", type=HOURS, default=1.0, show_default=True, help="How far back.")
@json_option
@pass_terminal
def compare(terminal: Terminal, metric: str, cohort: str, release: str, hours: float) -> None:
    """Compare a METRIC between the devices of a cohort.

    \b
    Example:
      surefoot telemetry compare inference_p95_s --cohort hanoi --release app/1.8.2 --hours 6
    """
    with terminal.api() as api:
        answer = api.get(
            "/telemetry/summary", metric=metric, cohort=cohort, release=release, since_s=round(hours * 3600)
        )
    rows = [
        (each.device, each.samples, *(f"{value:.4g}" for value in (each.mean, each.median, each.p95, each.slope_per_h)))
        for each in shown.many(Summary, answer)
    ]
    terminal.data(answer, columns(("DEVICE", "SAMPLES", "MEAN", "MEDIAN", "P95", "CHANGE/H"), rows))


@telemetry.command()
@click.option("--release", type=Text(100), default="", help="Only of COMPONENT/VERSION.")
@click.option("--hours", type=HOURS, default=168.0, show_default=True, help="How far back.")
@json_option
@pass_terminal
def errors(terminal: Terminal, release: str, hours: float) -> None:
    """Group failed attempts by kind and release, the most devices first.

    \b
    Example:
      surefoot telemetry errors --release app/1.8.2
    """
    with terminal.api() as api:
        answer = api.get("/telemetry/errors", release=release, since_s=round(hours * 3600))
    rows = [
        (each.release, each.kind, each.outcome, each.devices, f"{each.example_device}: {each.example}"[:70])
        for each in shown.many(Failure, answer)
    ]
    terminal.data(answer, columns(("RELEASE", "KIND", "OUTCOME", "DEVICES", "NEWEST"), rows))
