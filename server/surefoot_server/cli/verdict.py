"""`surefoot rollout verdict`: what was judged, with the numbers that decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import NAME, Whole, path
from surefoot_server.cli.terminal import Terminal, columns, facts, json_option, pass_terminal

RATE_HEAD = ("OUTCOME", "VERDICT", "DEVICES", "RATE", "SURELY ABOVE", "PROVED BELOW", "LIMIT", "FAILS AT")
METRIC_HEAD = (
    "METRIC",
    "VERDICT",
    "AGAINST",
    "CANARY",
    "CONTROL",
    "DIFFERENCE",
    "SURELY WITHIN",
    "ALLOWED",
    "P",
    "EFFECT",
)


@dataclass(frozen=True)
class Measure:
    metric: str
    verdict: str
    count: int
    due: int
    rate: float
    surely_above: float
    limit: float | None
    trips_at: int | None
    proved_below: float = 1.0
    must_be_below: float | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class Group:
    devices: int
    after: float | None


@dataclass(frozen=True)
class Metric:
    metric: str
    verdict: str
    against: str
    scale: str
    low: float | None
    high: float | None
    critical: bool
    dry_run: bool
    alpha: float
    canary: Group
    control: Group
    missing: int
    p: float | None
    estimate: float | None
    at_least: float | None
    at_most: float | None
    effect: float | None
    reason: str


@dataclass(frozen=True)
class Verdict:
    at: str
    name: str
    decision: str
    verdict: str
    reason: str
    look: int
    looks: int
    needed: int
    counts: Mapping[str, shown.Plain]
    measures: tuple[Measure, ...]
    metrics: tuple[Metric, ...]


@click.command()
@click.argument("rollout_id", metavar="ROLLOUT", type=NAME)
@click.option("--limit", type=Whole(1, 1000), default=1, show_default=True, help="How many, the newest first.")
@json_option
@pass_terminal
def verdict(terminal: Terminal, rollout_id: str, limit: int) -> None:
    """Show what was judged last, with every number that decided.

    \b
    Example:
      surefoot rollout verdict r1
      surefoot rollout verdict r1 --limit 20
    """
    with terminal.api() as api:
        answer = api.get(path("rollouts", rollout_id, "verdicts"), limit=limit)
    found = shown.many(Verdict, answer)
    terminal.data(answer, "\n\n".join(text(v) for v in found) or "Nothing was judged yet.")


def text(found: Verdict) -> str:
    """A block of facts, then a table of outcomes and one of metrics."""
    block = facts(
        [
            ("Phase", found.name),
            ("Judged", shown.when(found.at) + (f", look {found.look} of {found.looks}" if found.looks else "")),
            ("Verdict", f"{found.verdict} ({found.decision.replace('_', ' ')})"),
            ("Because", found.reason),
            ("Reports", f"{_number(found.counts.get('due'))} devices due, {found.needed} reports needed"),
        ]
    )
    tables = [columns(RATE_HEAD, [_rate(m) for m in found.measures])] if found.measures else []
    tables += [columns(METRIC_HEAD, [_metric(m) for m in found.metrics])] if found.metrics else []
    return "\n\n".join([block, *tables])


def _rate(m: Measure) -> tuple[object, ...]:
    limit = f"surely above {m.limit:.1%}" if m.limit is not None else f"proved below {m.must_be_below or 0:.1%}"
    trips = "no count" if m.trips_at is None else m.trips_at
    said = m.verdict + (" (dry run)" if m.dry_run else "")
    devices = f"{m.count} of {m.due}"
    return m.metric, said, devices, f"{m.rate:.1%}", f"{m.surely_above:.1%}", f"{m.proved_below:.1%}", limit, trips


def _metric(m: Metric) -> tuple[object, ...]:
    kind = " (dry run)" if m.dry_run else " (critical)" if m.critical else ""
    within = f"{_number(m.at_least)} to {_number(m.at_most)}"
    allowed = f"{_number(m.low)} to {_number(m.high)}"
    p = "" if m.p is None else f"{m.p:.2g} (fails at {m.alpha:.2g})"
    groups = (_group(m.canary, m.missing), _group(m.control, 0))
    scale = {"ratio": "×", "difference": "±", "value": ""}[m.scale]
    difference = f"{scale}{_number(m.estimate)}"
    return m.metric, m.verdict + kind, m.against, *groups, difference, within, allowed, p, _number(m.effect)


def _group(group: Group, missing: int) -> str:
    without = f", {missing} silent" if missing else ""
    return f"{_number(group.after)} on {group.devices}{without}" if group.devices or missing else "none"


def _number(value: shown.Plain) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else "…"
