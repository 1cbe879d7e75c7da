"""Rank tests between groups of devices: is the canary surely beyond the limit, and by how much does it differ?

Promises: one value a device; devices are compared within their stratum (hardware and site) only, so what all devices of
a site share cancels; a group too small to be sure of anything says so by its smallest possible p. One stratum is
Mann and Whitney's test, several are Hodges and Lehmann's aligned ranks with the variance within strata (Ann. Math.
Stat. 33, 1962), exact for few devices and normal for many; a device against itself is Wilcoxon's signed ranks. All ties
give p = 1, never an error.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Strata = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""stratum → values of the canary's devices, values of the control's."""
STEPS = 40
"""Of halving, until a bound is found to a millionth of the range."""
EXACT_UP_TO = 1e5
"""Ways to deal the canary out within its strata that are all looked at; beyond, the normal curve is close enough. For
fewer it is not: three sites of one device each gave p = 0.06, where 1/8 is the least there can be."""
FEW = 13
"""Devices up to which signed ranks are counted out here: with ties scipy would play all 2^13 signs through, a second
for each p of the hundreds that bounds need, and devices that all say the same are what a healthy release looks like."""
PAIRS_LIMIT = 250_000
"""Pairs of devices that an estimate is taken over; more would not move it and cost memory."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """`estimate`: the typical difference; `effect`: the chance that a device of the canary lies above its control."""

    estimate: float
    effect: float
    smallest_p: float


def control_p(strata: Strata, limit: float, *, below: bool) -> float:
    """The chance to see this where the canary differs from its control by exactly `limit`, one-sided."""
    usable = [(a, b) for a, b in strata.values() if a and b]
    if not usable:
        return 1.0
    if len(usable) == 1:
        return _mann_whitney(*usable[0], limit, below=below)
    return _aligned(usable, limit, below=below)


def control_ranked(strata: Strata) -> Ranked:
    """Estimate and effect over all pairs of a canary's device and one of its own stratum's control."""
    import numpy as np

    usable = [(np.asarray(a, float), np.asarray(b, float)) for a, b in strata.values() if a and b]
    if not usable:
        return Ranked(0.0, 0.5, 1.0)
    room = max(1, PAIRS_LIMIT // sum(len(a) for a, _ in usable))
    pairs = np.concatenate([np.subtract.outer(a, b[:room]).ravel() for a, b in usable])
    effect = float(np.mean(pairs > 0) + np.mean(pairs == 0) / 2)
    ways = sum(_log_ways(len(a), len(b)) for a, b in usable)
    return Ranked(float(np.median(pairs)), effect, math.exp(-ways))


def paired_p(changes: Sequence[float], limit: float, *, below: bool) -> float:
    """The chance to see these changes where the typical device changes by exactly `limit`, one-sided."""
    import numpy as np
    from scipy.stats import wilcoxon

    moved = np.asarray(changes, float) - limit
    moved = moved[moved != 0]
    if not len(moved):
        return 1.0
    if len(moved) <= FEW:
        return _signed(moved, below=below)
    return float(wilcoxon(moved, alternative="less" if below else "greater").pvalue)


def paired_ranked(changes: Sequence[float]) -> Ranked:
    """The median of the averages of all pairs (Hodges and Lehmann), and the share of devices that rose."""
    import numpy as np

    values = np.asarray(changes, float)
    kept = values[: int(math.sqrt(PAIRS_LIMIT))]
    averages = (kept[:, None] + kept[None, :])[np.triu_indices(len(kept))] / 2
    effect = float(np.mean(values > 0) + np.mean(values == 0) / 2)
    return Ranked(float(np.median(averages)), effect, 2.0 ** -min(len(values), 1000))


def control_bound(strata: Strata, alpha: float, *, lower: bool) -> float | None:
    """The one-sided bound of the difference; None where so few devices bound nothing."""
    values = [v for a, b in strata.values() if a and b for v in (*a, *b)]
    return _bound(lambda at: control_p(strata, at, below=not lower), values, alpha, lower=lower)


def paired_bound(changes: Sequence[float], alpha: float, *, lower: bool) -> float | None:
    return _bound(lambda at: paired_p(changes, at, below=not lower), changes, alpha, lower=lower)


def _bound(p_at: Callable[[float], float], values: Sequence[float], alpha: float, *, lower: bool) -> float | None:
    """Halve towards the limit at which the test just stops to be sure: the test itself, turned around."""
    if not values:
        return None
    span = max(values) - min(values) + 1e-9
    reach = max(abs(v) for v in values) + span
    far, near = (-2 * reach, 2 * reach) if lower else (2 * reach, -2 * reach)
    if p_at(far) > alpha:
        return None
    for _ in range(STEPS):
        middle = (far + near) / 2
        if p_at(middle) <= alpha:
            far = middle
        else:
            near = middle
    return far


def _signed(moved: Floats, *, below: bool) -> float:
    """Wilcoxon's signed ranks, exact with ties too: of all ways to sign the ranks, the share at least as extreme."""
    from scipy.stats import rankdata

    doubled = [round(2 * float(rank)) for rank in rankdata(abs(moved))]  # ties share halves
    risen = sum(rank for rank, value in zip(doubled, moved, strict=True) if value > 0)
    ways = Counter({0: 1})
    for rank in doubled:
        ways = ways + Counter({total + rank: many for total, many in ways.items()})
    extreme = sum(many for total, many in ways.items() if (total <= risen if below else total >= risen))
    return float(extreme / 2 ** len(doubled))


def _mann_whitney(canary: Sequence[float], control: Sequence[float], limit: float, *, below: bool) -> float:
    import numpy as np
    from scipy.stats import mannwhitneyu

    moved = np.asarray(canary, float) - limit
    return float(mannwhitneyu(moved, control, alternative="less" if below else "greater").pvalue)


def _aligned(strata: Sequence[tuple[Sequence[float], Sequence[float]]], limit: float, *, below: bool) -> float:
    import numpy as np
    from scipy.stats import norm, rankdata

    parts, ours, owner = [], [], []
    for number, (canary, control) in enumerate(strata):
        both = np.concatenate([np.asarray(canary, float) - limit, np.asarray(control, float)])
        half = len(both) // 2  # numpy's own median takes five times as long for so few
        ordered = np.sort(both)
        parts.append(both - (ordered[half] + ordered[-half - 1]) / 2)
        ours.append(np.arange(len(both)) < len(canary))
        owner.append(np.full(len(both), number))
    ranks, mine, place = rankdata(np.concatenate(parts)), np.concatenate(ours), np.concatenate(owner)
    if sum(_log_ways(len(a), len(b)) for a, b in strata) <= math.log(EXACT_UP_TO):
        return _exact(ranks, mine, place, below=below)
    total, variance = aligned_moments(ranks, mine, place)
    if variance <= 0:
        return 1.0
    score = total / math.sqrt(variance)
    return float(norm.cdf(score) if below else norm.sf(score))


def _exact(ranks: Floats, ours: NDArray[np.bool_], owner: NDArray[np.intp], *, below: bool) -> float:
    """The share of all ways to deal the canary out within its strata whose rank sum is as extreme as the real one."""
    sums: dict[float, float] = {0.0: 1.0}
    for stratum in set(owner.tolist()):
        here = ranks[owner == stratum].tolist()
        dealt = Counter(sum(hand) for hand in combinations(here, int(ours[owner == stratum].sum())))
        ways = sum(dealt.values())
        following: dict[float, float] = {}
        for so_far, chance in sums.items():
            for more, count in dealt.items():
                key = so_far + more  # ranks are halves, so sums of them are exact and equal ones meet
                following[key] = following.get(key, 0.0) + chance * count / ways
        sums = following
    real = float(ranks[ours].sum())
    return min(1.0, sum(chance for at, chance in sums.items() if (at <= real if below else at >= real)))


def aligned_moments(ranks: Floats, ours: NDArray[np.bool_], owner: NDArray[np.intp]) -> tuple[float, float]:
    """The canary's rank sum less what chance gives it, and its variance under any exchange within the strata."""
    import numpy as np

    size = np.bincount(owner).astype(float)
    canary = np.bincount(owner, ours)
    sums, squares = np.bincount(owner, ranks), np.bincount(owner, ranks**2)
    spread = squares - sums**2 / size
    total = float(ranks[ours].sum() - (canary * sums / size).sum())
    each = canary * (size - canary) / (size * np.maximum(size - 1, 1)) * spread
    return total, float(each.sum())


def _log_ways(n: int, m: int) -> float:
    return math.lgamma(n + m + 1) - math.lgamma(n + 1) - math.lgamma(m + 1)
