"""Many courses of one rollout, and what they have in common: how long, how many at worst, how likely a wrong verdict.

Promises: half of the question is asked of a healthy release and half of a bad one, over the same phases; a chance comes
with its exact 95 % interval, so ten runs are not taken for a proof; the same seed gives the same answer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timezone

import numpy as np

from surefoot_server.rollouts.forecast.answer import Chance, Forecast, PhaseForecast, Spread
from surefoot_server.rollouts.forecast.assumed import Assumed, Model
from surefoot_server.rollouts.forecast.course import Course, Played
from surefoot_server.rollouts.forecast.draws import draw
from surefoot_server.rollouts.forecast.people import People
from surefoot_server.rollouts.forecast.readings import Readings
from surefoot_server.rollouts.judge import proved_below, surely_above
from surefoot_server.rollouts.policy import Policy
from surefoot_shared.status import RolloutState

SURE = 0.975
"""One side of a 95 % interval."""
START = datetime(2026, 1, 5, 8, tzinfo=timezone.utc)
"""A Monday morning, where nobody says when: hours matter where a policy has windows."""
HEALTHY_STREAM, BAD_STREAM = 0, 1
FAILED = frozenset({RolloutState.FAILED, RolloutState.REVERTING, RolloutState.HALTED})


def forecast(
    policy: Policy,
    people: People,
    assumed: Assumed,
    runs: int,
    seed: int,
    start: datetime | None = None,
    say: Callable[[int], None] = lambda _done: None,
) -> Forecast:
    """Play it `runs` times with a healthy release and as often with a bad one; `say` hears of each that is done."""
    begin = start or policy.start_at or START
    healthy = [
        _play(policy, people, assumed, assumed.healthy, begin, (seed, HEALTHY_STREAM, n), say) for n in range(runs)
    ]
    bad = [_play(policy, people, assumed, assumed.bad, begin, (seed, BAD_STREAM, n), say) for n in range(runs)]
    return _sum_up(policy, people, healthy, bad, seed)


def _play(
    policy: Policy,
    people: People,
    assumed: Assumed,
    model: Model,
    start: datetime,
    seed: tuple[int, int, int],
    say: Callable[[int], None],
) -> Played:
    generator = np.random.default_rng(seed)
    draws = draw(people, assumed, model, generator)
    readings = Readings(policy, people, model, assumed.healthy, generator)
    played = Course(policy, people, draws, start, assumed.approval_s, readings.look).play()
    say(1)
    return played


def _sum_up(policy: Policy, people: People, healthy: Sequence[Played], bad: Sequence[Played], seed: int) -> Forecast:
    done = [p for p in healthy if p.state is RolloutState.SUCCEEDED]
    halted = [p for p in healthy if p.state in FAILED]
    stopped = [p for p in bad if p.state is not RolloutState.SUCCEEDED]
    held = [p for p in healthy if p.state not in FAILED and p.state is not RolloutState.SUCCEEDED]
    return Forecast(
        devices=people.total,
        excluded=people.excluded,
        runs=len(healthy),
        seed=seed,
        duration_s=_spread([p.seconds for p in done]),
        succeeds=_chance(len(done), len(healthy)),
        false_halt=_chance(len(halted), len(healthy)),
        held=_chance(len(held), len(healthy)),
        exposed=_spread([float(p.peak) for p in bad]),
        stopped_s=_spread([p.seconds for p in stopped]),
        missed=_chance(len(bad) - len(stopped), len(bad)),
        bad_held=_chance(sum(1 for p in stopped if p.state not in FAILED), len(bad)),
        phases=tuple(_phase(policy, people, healthy, stopped, index) for index in range(len(people.sizes))),
        why_halted=_commonest(halted),
        why_held=_commonest(held),
    )


def _commonest(played: Sequence[Played]) -> str:
    reasons = Counter(p.reason for p in played)
    return reasons.most_common(1)[0][0] if reasons else ""


def _phase(
    policy: Policy, people: People, healthy: Sequence[Played], stopped: Sequence[Played], index: int
) -> PhaseForecast:
    def median(kind: str) -> float | None:
        found = [n.at_s for p in healthy for n in p.noted if n.kind == kind and n.phase == index]
        return float(np.median(found)) if found else None

    return PhaseForecast(
        name=policy.phases[index].name,
        members=people.sizes[index],
        began_s=median("StartPhase"),
        baking_s=median("BeginBake"),
        ended_s=median("PassPhase"),
        stopped=sum(1 for p in stopped if p.phase == index),
    )


def _chance(runs: int, of: int) -> Chance:
    share = runs / of if of else 0.0
    return Chance(runs, of, share, surely_above(runs, of, SURE), proved_below(runs, of, SURE))


def _spread(values: Sequence[float]) -> Spread:
    if not values:
        return Spread()
    ordered = sorted(values)
    at = [ordered[min(len(ordered) - 1, math.ceil(q * len(ordered)) - 1)] for q in (0.05, 0.5, 0.95)]
    return Spread(at[0], at[1], at[2], ordered[-1])
