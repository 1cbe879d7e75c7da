"""Time as the agent may trust it: monotonic for every deadline, boot_id for every restart, UTC only as a label.

Refuses to decide anything by the wall clock except an assignment's windows, which are wall-clock by nature.
"""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

from surefoot_agent import guard

SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
RTC = Path("/dev/rtc0")


class Clock(Protocol):
    def monotonic(self) -> float: ...
    def utc(self) -> datetime: ...
    def boot_id(self) -> str: ...
    def source(self) -> str:
        """ntp, rtc or none: how much `utc` is worth."""


class SystemClock:
    """Clock of this machine."""

    def __init__(self) -> None:
        self._boot_id = guard.boot_id()

    def monotonic(self) -> float:
        return time.monotonic()

    def utc(self) -> datetime:
        return datetime.now(timezone.utc)

    def boot_id(self) -> str:
        return self._boot_id

    def source(self) -> str:
        if SYNCHRONISED.exists():
            return "ntp"
        return "rtc" if RTC.exists() else "none"


def stamp(at: datetime) -> str:
    """ISO 8601 in UTC, as every message carries it."""
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
