"""On what terms a device may fetch a release and switch to it, and how they stand in its assignment's row. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from surefoot_server.devices.models import Assignment
from surefoot_shared.messages import ShadowTerms

Interval = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Terms:
    """UTC intervals (none is any time) and a rate; `activate` False: it stages the release and waits for an order."""

    activate: bool = True
    windows: tuple[Interval, ...] = ()
    download_windows: tuple[Interval, ...] = ()
    pool_bytes_per_s: int | None = None
    """What all devices of the rollout may fetch together."""
    recreate: bool = False
    """Where there is no room for two, the device may give up the release that it runs."""
    shadow: ShadowTerms | None = None
    """It runs beside the live release and is never switched to."""


ANY_TIME = Terms()


def texts(intervals: tuple[Interval, ...]) -> list[list[str]] | None:
    """As they are stored and signed; None where any time will do."""
    return [[start.isoformat(), end.isoformat()] for start, end in intervals] or None


def download_left_s(row: Assignment, now: datetime) -> float:
    """Seconds for which the device may fetch from now on; 0 while its window is closed."""
    if not row.download_windows:
        return math.inf
    spans = [(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in row.download_windows]
    return next(((end - now).total_seconds() for start, end in spans if start <= now < end), 0.0)
