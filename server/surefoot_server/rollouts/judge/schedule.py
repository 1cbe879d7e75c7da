"""When a bake's metrics are looked at, and how much of the error each look may spend.

Promises: all looks of a phase together fail a healthy release no more often than one look at the stated confidence
would: look k may fail it only at a chance of what the spending function grants between look k-1 and look k, and these
sum up to 1 - confidence whatever the looks have in common. Early looks get little, so only a plain failure ends a phase
early. Source: Lan and DeMets, Biometrika 70 (1983), the O'Brien-Fleming-like function.
"""

from __future__ import annotations

import functools
import math
from statistics import NormalDist


def spent(share: float, alpha: float) -> float:
    """The error that may be spent once this share of the looks is done."""
    if share <= 0:
        return 0.0
    # erfc keeps what 1 - cdf would round to nothing: an early look spends 1e-18 of a small alpha
    return math.erfc(NormalDist().inv_cdf(1 - alpha / 2) / math.sqrt(2 * min(share, 1.0)))


@functools.lru_cache(maxsize=1024)
def alpha_at(look: int, looks: int, alpha: float) -> float:
    """The chance at which look `look` of `looks` (counted from 1) may call a healthy release bad."""
    return max(0.0, spent(look / looks, alpha) - spent((look - 1) / looks, alpha))


def look_due(looks: int, taken: int, baked_s: float, bake_s: float) -> int | None:
    """The number of the look whose time has come; the last one as often as it is asked for, others once."""
    if baked_s >= bake_s:
        return looks
    number = int(baked_s / bake_s * looks)
    return number if number > taken else None
