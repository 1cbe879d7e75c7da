"""The judge against a truth that is known: thousands of synthetic rollouts, and how often it is wrong.

Promises: every verdict is the server's own judge's, at the looks of a real bake; seeds are fixed, so the table is the
same each time. Two kinds of mistake are counted: a false halt (a release within its bounds fails) and a miss (a bad one
passes); what is held is neither, a person looks at it. docs/judge.md shows the table; `python -m
surefoot_simulators.truth` prints it.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from surefoot_server.rollouts.gate import Against, Gate, MetricObjective, Scale
from surefoot_server.rollouts.judge import Counts, Look, Reading, judge
from surefoot_server.rollouts.judge.measured import measure_metric
from surefoot_server.rollouts.readings import CONTROLS_LIMIT
from surefoot_shared.status import Outcome, Verdict

ROLLOUTS = 1000
LOOKS = 4
FPS = MetricObjective("camera_fps", Against.CONTROL, Scale.RATIO, low=0.97, critical=True)
"""The objective of the examples: no more than 3 % slower than the control, at 95 % confidence."""
DEVICE_SD, LOOK_SD = 0.03, 0.03
"""How much a camera's speed drifts from before to after on its own, and how much each quarter of the bake adds."""
SITE_SD, NIGHT = 0.05, 0.80
"""At nightfall: what all cameras of a site do together, and what the dark leaves of the frames of one hardware."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """So many devices of two kinds of hardware on so many sites; the canary phase has `canary` of them."""

    devices: int
    canary: int
    sites: int


FLEETS = (Fleet(40, 4, 2), Fleet(200, 20, 5), Fleet(2000, 100, 20))
SPEEDS = ((1.0, "no change"), (0.97, "3 % slower (the limit)"), (0.94, "6 % slower"), (0.9, "10 % slower"))


@dataclass(frozen=True, slots=True)
class Row:
    """How a thousand rollouts of one case ended, in percent."""

    case: str
    devices: int
    canary: int
    bad: bool
    failed: float
    held: float
    passed: float

    @property
    def false_halts(self) -> float | None:
        return None if self.bad else self.failed

    @property
    def misses(self) -> float | None:
        return self.passed if self.bad else None


def metric_rows(*, night: bool, rollouts: int = ROLLOUTS) -> Iterator[Row]:
    """Frames a second of the canary: each true ratio in each fleet, without or with a nightfall and site effects."""
    for ratio, said in SPEEDS:
        for fleet in FLEETS:
            yield metric_row(fleet, ratio, f"{said}{', at nightfall' if night else ''}", night, rollouts)


def metric_row(fleet: Fleet, ratio: float, case: str, night: bool, rollouts: int = ROLLOUTS) -> Row:
    draw = _draw(f"{fleet.devices} {ratio} {night}")
    ended = [_bake(fleet, figures) for figures in _figures(fleet, ratio, night, rollouts, draw)]
    return _row(case, fleet.devices, fleet.canary, ratio < 0.97, ended)


def _figures(
    fleet: Fleet, ratio: float, night: bool, rollouts: int, draw: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    """For each rollout: after/before of each device at each look, the mean of the quarters so far."""
    size = len(_devices(fleet))
    site = np.arange(size) % fleet.sites
    canary = np.arange(size) < fleet.canary
    for _ in range(rollouts):
        own = draw.normal(0, DEVICE_SD, size)
        quarters = own + draw.normal(0, LOOK_SD, (LOOKS, size))
        if night:
            dark = np.where(np.arange(size) // fleet.sites % 2, math.log(NIGHT), 0.0)
            quarters = quarters + draw.normal(0, SITE_SD, fleet.sites)[site] + dark
        quarters = quarters + math.log(ratio) * canary
        yield np.exp(np.cumsum(quarters, axis=0) / np.arange(1, LOOKS + 1)[:, None])


def _bake(fleet: Fleet, figures: NDArray[np.float64]) -> Verdict:
    """Look after look, as the engine does: a failure ends it, anything else only counts at the last."""
    for number in range(1, LOOKS + 1):
        readings = [
            Reading(name, hw, site, canary, 30.0, 30.0 * ratio)
            for (name, hw, site, canary), ratio in zip(_devices(fleet), figures[number - 1].tolist(), strict=True)
        ]
        look = Look(number, LOOKS, {FPS.key: readings})
        verdict = measure_metric(FPS, look, 1, controls_exist=True, drawn=False).verdict
        if verdict is Verdict.FAIL:
            return verdict
    return verdict


@lru_cache(maxsize=8)
def _devices(fleet: Fleet) -> tuple[tuple[str, str, str, bool], ...]:
    """(name, hardware, site, canary): as many controls as the server reads at most."""
    return tuple(
        (f"cam-{i}", f"hw-{i // fleet.sites % 2}", f"site-{i % fleet.sites}", i < fleet.canary)
        for i in range(min(fleet.devices, fleet.canary + CONTROLS_LIMIT))
    )


RATES = (
    ("healthy: 0.2 % fail, 0.1 % revert, 0.02 % lost", (0.002, 0.001, 0.0002), False),
    ("at the limits: 2 % fail, 1 % revert, 1 % lost", (0.02, 0.01, 0.01), False),
    ("5 % revert", (0.002, 0.05, 0.0002), True),
    ("10 % revert", (0.002, 0.1, 0.0002), True),
    ("20 % revert", (0.002, 0.2, 0.0002), True),
    ("50 % revert", (0.002, 0.5, 0.0002), True),
)
COUNTED = (Outcome.FAILED, Outcome.REVERTED, Outcome.LOST)


def rate_rows(rollouts: int = ROLLOUTS) -> Iterator[Row]:
    """Outcomes of a canary phase under the default gate, judged after every report that is bad."""
    for case, rates, bad in RATES:
        for fleet in FLEETS:
            draw = _draw(f"{fleet.devices} {case}")
            drawn = draw.multinomial(fleet.canary, [*rates, 1 - sum(rates)], size=rollouts)
            ended = [_rate_verdict(fleet.canary, tuple(int(n) for n in row[:3])) for row in drawn]
            yield _row(case, fleet.devices, fleet.canary, bad, ended)


@lru_cache(maxsize=4096)
def _rate_verdict(devices: int, bad: tuple[int, ...]) -> Verdict:
    """Counts only rise and the denominator stands, so what fails on the way has failed at the end too."""
    outcomes = dict(zip(COUNTED, bad, strict=True)) | {Outcome.COMMITTED: devices - sum(bad)}
    return judge(Gate(), 1, Counts(devices, devices, devices, outcomes)).verdict


def _row(case: str, devices: int, canary: int, bad: bool, ended: Sequence[Verdict]) -> Row:
    failed, held, passed = (100 * ended.count(v) / len(ended) for v in (Verdict.FAIL, Verdict.HOLD, Verdict.PASS))
    return Row(case, devices, canary, bad, failed, held, passed)


def _draw(case: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(case.encode()))


def to_markdown(rows: Sequence[Row]) -> str:
    head = "| release | fleet | canary | fails | held | passes | false halts | misses |"
    return f"{head}\n|---|--:|--:|--:|--:|--:|--:|--:|\n" + "\n".join(
        f"| {r.case} | {r.devices:,} | {r.canary} | {r.failed:.1f} % | {r.held:.1f} % | {r.passed:.1f} % "
        f"| {_percent(r.false_halts)} | {_percent(r.misses)} |"
        for r in rows
    )


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} %"


if __name__ == "__main__":
    print(to_markdown([*metric_rows(night=False), *metric_rows(night=True)]), to_markdown([*rate_rows()]), sep="\n\n")
