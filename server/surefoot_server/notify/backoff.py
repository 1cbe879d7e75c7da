"""When a delivery is tried again, and when it is given up.

Source: the schedule that Standard Webhooks recommends, with the last step dropped: together some 28 hours.
"""

from __future__ import annotations

from datetime import datetime, timedelta

WAITS_S = (5.0, 60.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 36_000.0)
JITTER = 0.2
"""Receivers that come back must not meet everybody at once."""


def next_at(tries: int, now: datetime, chance: float) -> datetime | None:
    """The time of the next try after so many failed ones, None to give up; `chance` is random, 0..1."""
    if tries > len(WAITS_S):
        return None
    return now + timedelta(seconds=WAITS_S[tries - 1] * (1 + JITTER * chance))
