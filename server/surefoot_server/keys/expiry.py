"""How long what only offline keys can sign again is still valid, and when that becomes an alarm: 90, 30 and 7 days.

The server renews its own files by itself; a root, the top level and the release roles need people, who need time. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

STEPS = (90, 30, 7)
"""Days before the end: time to plan a ceremony, to hold it, and to drop everything else."""
RENEWS = {"root": "root", "targets": "targets"}


@dataclass(frozen=True, slots=True)
class Alarm:
    """`step` is the smallest of STEPS that is reached, 0 once it has expired."""

    file: str
    expires: datetime
    days_left: int
    step: int

    @property
    def sentence(self) -> str:
        role = RENEWS.get(self.file.split(" ")[1], "release")
        when = f"{self.expires:%Y-%m-%d}"
        days = "a day" if self.days_left == 1 else f"{self.days_left} days"
        what = f"The signature of {self.file} expires in {days}, on {when}"
        if not self.step:
            what = f"The signature of {self.file} has expired on {when}: devices accept nothing new"
        return f"{what}. Sign it again: surefoot keys renew {role} --keys DIR"


def days_left(expires: datetime, now: datetime) -> int:
    """Whole days; negative once it has expired."""
    return (expires - now) // timedelta(days=1)


def alarms(expiring: Mapping[str, datetime], now: datetime) -> tuple[Alarm, ...]:
    """What must be said now, the most urgent first. `expiring` maps `image root 2` and so on to its end."""
    found = []
    for file, expires in expiring.items():
        left = expires - now
        reached = [step for step in STEPS if left <= timedelta(days=step)]
        if reached:
            step = reached[-1] if left > timedelta(0) else 0
            found.append(Alarm(file, expires, days_left(expires, now), step))
    return tuple(sorted(found, key=lambda alarm: (alarm.expires, alarm.file)))
