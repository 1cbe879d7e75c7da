"""The way back as a policy states it: in which shares devices are ordered back, how far apart, and what stops it.

Promises: as `policy.py` does: every key is known and in its range, errors name line and field. The arithmetic is pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from surefoot_server.rollouts.document import Field
from surefoot_server.rollouts.judge import surely_above
from surefoot_server.rollouts.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Stage:
    """`percent` of those that are to go back, counted from the first; `bake_s` until the next stage."""

    percent: float
    bake_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WayBack:
    """`tripwire`: so many that could not go back stop it; `max_rate`: so does a rate that is surely higher."""

    stages: tuple[Stage, ...] = (Stage(100.0),)
    tripwire: int | None = None
    max_rate: float | None = None
    confidence: float = 0.9

    def quota(self, stage: int, total: int) -> int:
        """How many of `total` are ordered back by the end of this stage."""
        return total if self.is_last(stage) else math.ceil(self.stages[stage].percent / 100 * total - 1e-9)

    def is_last(self, stage: int) -> bool:
        return stage >= len(self.stages) - 1

    def name(self, stage: int) -> str:
        return f"{self.stages[min(stage, len(self.stages) - 1)].percent:g}%"

    def stopped(self, bad: int, ended: int) -> str:
        """Why nobody else is ordered back, "" where they are. `bad` of `ended` could not go back."""
        if self.tripwire is not None and bad >= self.tripwire:
            return f"{bad} of {ended} devices could not go back, the tripwire is {self.tripwire}"
        if self.max_rate is not None and surely_above(bad, ended, self.confidence) > self.max_rate:
            return f"{bad} of {ended} devices could not go back, surely more than {self.max_rate:.0%}"
        return ""

    def words(self) -> list[str]:
        """As a clause for a person, where it is more than all at once."""
        if len(self.stages) == 1:
            return []
        return ["goes back in " + ", ".join(f"{s.percent:g}%" for s in self.stages)]


def parse(field: Field, strategy: Strategy) -> WayBack:
    """Read the `revert` part of a policy; raises Invalid naming line and field."""
    default = WayBack()
    fields = field.mapping("phases", "tripwire", "fail_if_surely_above", "confidence")
    if strategy is Strategy.BLUE_GREEN and not fields["phases"].absent:
        raise fields["phases"].wrong("blue-green takes every device back at the same time")
    limit, tripwire = fields["fail_if_surely_above"], fields["tripwire"]
    return WayBack(
        stages=_stages(fields["phases"]),
        tripwire=None if tripwire.absent else tripwire.integer(1, low=1, high=1_000_000),
        max_rate=None if limit.absent else limit.ratio(1.0, high=0.99),
        confidence=fields["confidence"].ratio(default.confidence, low=0.5, high=0.999),
    )


def _stages(field: Field) -> tuple[Stage, ...]:
    found: list[Stage] = []
    for item in () if field.absent else field.items():
        fields = item.mapping("percent", "bake")
        stage = Stage(fields["percent"].required().percentage(), fields["bake"].duration_s(0.0))
        if found and stage.percent <= found[-1].percent:
            raise item.wrong(f"percent must rise from phase to phase ({stage.percent:g} follows {found[-1].percent:g})")
        found.append(stage)
    if not field.absent and (not found or found[-1].percent != 100):
        raise field.wrong("the last phase must have percent: 100, or devices would keep the release")
    return tuple(found) or WayBack().stages
