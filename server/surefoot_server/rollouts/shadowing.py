"""Shadow: what a policy says of it, and what its gate asks where the policy asks nothing of its own. Pure.

Promises: a shadow ends by the device's own clock after a stated time, or at once where the live release suffers, and a
phase of shadows passes on what was compared: without figures it is held, as any phase without data. Source: DESIGN §8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from surefoot_server.rollouts.document import Field
from surefoot_server.rollouts.gate import Against, MetricObjective, Scale
from surefoot_server.rollouts.strategy import Strategy
from surefoot_shared.messages import ShadowTerms

BAKE_S = 180.0
"""Devices have stopped it by then; their last figures arrive within the interval of their telemetry."""
OBJECTIVES = (
    MetricObjective("shadow_agreement_ratio", Against.LIMIT, Scale.VALUE, low=0.9, critical=True),
    MetricObjective("shadow_latency_ratio", Against.LIMIT, Scale.VALUE, high=1.5),
    MetricObjective("shadow_fps_cost_ratio", Against.LIMIT, Scale.VALUE, high=0.1),
)
"""Where the policy names no metric: a release that counts otherwise fails, one that is slower waits for a person."""


@dataclass(frozen=True, slots=True)
class Shadowing:
    """`for_s` is counted on the device, from the shadow's first frame."""

    for_s: float = 1800.0
    min_fps_ratio: float = 0.9
    min_memory_ratio: float = 0.1

    @property
    def terms(self) -> ShadowTerms:
        permille = round(self.min_fps_ratio * 1000), round(self.min_memory_ratio * 1000)
        return ShadowTerms(math.ceil(self.for_s), *permille)

    @property
    def words(self) -> str:
        return (
            f"runs {self.for_s / 60:g} min beside the live release, ends where that has less than "
            f"{self.min_fps_ratio:.0%} of its frames or the node less than {self.min_memory_ratio:.0%} of its memory"
        )


def parse(field: Field, strategy: Strategy) -> Shadowing | None:
    """Read `rollout.shadow`; raises Invalid where another strategy has it."""
    default = Shadowing()
    fields = field.mapping("for", "min_fps", "min_memory")
    stated = Shadowing(
        for_s=fields["for"].duration_s(default.for_s, low=1.0),
        min_fps_ratio=fields["min_fps"].ratio(default.min_fps_ratio, low=0.1),
        min_memory_ratio=fields["min_memory"].ratio(default.min_memory_ratio, low=0.01, high=0.9),
    )
    if strategy is Strategy.SHADOW:
        return stated
    if not field.absent:
        raise field.wrong("only the strategy shadow has these")
    return None
