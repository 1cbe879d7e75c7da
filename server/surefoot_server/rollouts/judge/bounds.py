"""Exact bounds of a rate, and the counts at which a phase trips.

Promises: one-sided Clopper-Pearson bounds, which are exact for any number of devices. "Surely above" asks whether the
lower bound exceeds a limit, "proved below" whether the upper one stays under it: 2 % is proved at 90 % by 114 devices
without a failure, and by nothing less. Source: Clopper and Pearson, Biometrika 26 (1934).
"""

from __future__ import annotations

import functools
import math

from surefoot_server.rollouts.gate import Objective

TRIPWIRE_UP_TO = 50
"""DESIGN §8: beyond that many devices a plain count says little, and the bound has power enough."""


@functools.lru_cache(maxsize=4096)
def surely_above(count: int, n: int, confidence: float) -> float:
    """The lower bound of a rate; 0 without any count."""
    if count <= 0 or n <= 0:
        return 0.0
    if count >= n:
        return float((1 - confidence) ** (1 / n))
    from scipy.special import betaincinv  # a third of a second to import: only once something went wrong

    return float(betaincinv(count, n - count + 1, 1 - confidence))


@functools.lru_cache(maxsize=4096)
def proved_below(count: int, n: int, confidence: float) -> float:
    """The upper bound of a rate; 1 where nobody was asked."""
    if n <= 0 or count >= n:
        return 1.0
    if count <= 0:
        return float(1 - (1 - confidence) ** (1 / n))
    from scipy.special import betaincinv

    return float(betaincinv(count + 1, n - count, confidence))


def clean_devices(objective: Objective) -> int | None:
    """How many devices without a failure prove the rate to be below what must be proved; None where nothing must."""
    if objective.pass_if_proved_below is None:
        return None
    if objective.pass_if_proved_below >= 1:
        return 1
    return math.ceil(math.log(1 - objective.confidence) / math.log(1 - objective.pass_if_proved_below) - 1e-9)


def bears_one_from(limit: float, confidence: float) -> int:
    """The size of a phase from which on one device is not surely above the limit; a limit above 0 and below 1."""
    return max(1, math.ceil(math.log(confidence) / math.log(1 - limit) - 1e-9))


def tripped(objective: Objective, count: int, due: int) -> bool:
    return objective.tripwire is not None and due <= TRIPWIRE_UP_TO and count >= objective.tripwire


def trip_count(n: int, objective: Objective) -> int | None:
    """Return the smallest count that fails a phase of n devices, None where none does (or it is only shown)."""
    if objective.dry_run:
        return None
    by_count = (
        objective.tripwire if objective.tripwire is not None and objective.tripwire <= n <= TRIPWIRE_UP_TO else None
    )
    return min(filter(None, (_by_bound(n, objective), by_count)), default=None)


def _by_bound(n: int, objective: Objective) -> int | None:
    if objective.fail_if_surely_above is None:
        return None
    low, high = 1, n + 1
    while low < high:  # the bound rises with the count, so the smallest one that exceeds is found by halving
        middle = (low + high) // 2
        if surely_above(middle, n, objective.confidence) > objective.fail_if_surely_above:
            high = middle
        else:
            low = middle + 1
    return low if low <= n else None
