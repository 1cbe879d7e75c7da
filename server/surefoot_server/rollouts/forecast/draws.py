"""One possible course of every device, drawn at once: when it is awake, how long its steps take, how its attempt ends.

Promises: the same seed and run draw the same, on every machine; times are whole microseconds, so that adding them up
gives the same moments that datetimes give. Durations are log-normal through the assumed median and 95th percentile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from surefoot_server.rollouts.forecast.assumed import Assumed, Model, Rates, Took
from surefoot_server.rollouts.forecast.people import People

SECOND = 1_000_000
"""In microseconds."""
Z95 = 1.6448536269514722
"""Standard deviations from the median to the 95th percentile."""
NEVER = -1


class Fate(IntEnum):
    """How an attempt ends, in the order in which shares are laid out."""

    REFUSES = 0
    FAILS = 1
    REVERTS = 2
    IS_LOST = 3
    COMMITS = 4


@dataclass(frozen=True, slots=True)
class Draws:
    """One value a member, in the order of their turn; times in microseconds.

    `nap`: from the beginning of its phase until it is connected, 0 where it is, NEVER where it does not come.
    """

    nap: list[int]
    download: list[int]
    probation: list[int]
    fate: list[int]


def draw(people: People, assumed: Assumed, model: Model, generator: np.random.Generator) -> Draws:
    """Draw everybody's course under one model of the release."""
    n = people.total
    return Draws(
        nap=_naps(n, assumed, generator),
        download=_times(n, assumed.download, generator),
        probation=_times(n, assumed.probation, generator),
        fate=_fates(people, assumed.healthy.rates, model, generator),
    )


def _naps(n: int, assumed: Assumed, generator: np.random.Generator) -> list[int]:
    """Being away has no memory: whoever is away when its phase begins is away for the mean time from then on."""
    offline = assumed.offline
    u = generator.random(n)
    nap = np.ceil(generator.exponential(offline.away_s * SECOND, n)).astype(np.int64)
    nap[u >= offline.share + offline.gone] = 0
    nap[u < offline.gone] = NEVER
    return _plain(nap)


def _times(n: int, took: Took, generator: np.random.Generator) -> list[int]:
    sigma = math.log(took.p95_s / took.median_s) / Z95
    values = generator.lognormal(math.log(took.median_s * SECOND), sigma, n)
    return _plain(np.maximum(1, np.round(values)).astype(np.int64))


def _fates(people: People, healthy: Rates, model: Model, generator: np.random.Generator) -> list[int]:
    u = generator.random(people.total)
    fate = np.empty(people.total, dtype=np.int64)
    for code, hw in enumerate(people.hw_names):
        rates = model.rates if not model.on or hw in model.on else healthy
        edges = np.cumsum([rates.refused, rates.failed, rates.reverted, rates.lost])
        mine = people.hw == code
        fate[mine] = np.searchsorted(edges, u[mine], side="right")
    return _plain(fate)


def _plain(values: NDArray[np.int64]) -> list[int]:
    """Whole numbers of the language: the course reads them one by one, and that is several times as fast."""
    found: list[int] = values.tolist()
    return found
