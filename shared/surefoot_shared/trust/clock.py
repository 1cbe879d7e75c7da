"""What time it is for the purpose of expiry, on a device that may have no battery behind its clock.

Signed time raises a floor and never lowers it; a clock behind the floor is not believed. Refuses to look at the clock
itself: the caller gives its reading. A clock far *ahead* makes everything look expired; the device keeps running what
runs, and believes the director's time where that answers the nonce of its own hello (see verify).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FORM = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,6})?(?:Z|\+00:00)")


@dataclass(frozen=True, slots=True)
class TrustedTime:
    """`source`: `system` where the clock was believed, `floor` where that was later, `nonce` where the director was."""

    at: datetime
    source: str


def trusted_time(system_now: datetime, *floors: datetime) -> TrustedTime:
    """The later of the system clock and every floor."""
    floor = max(floors, default=EPOCH)
    return TrustedTime(system_now, "system") if system_now >= floor else TrustedTime(floor, "floor")


def parse_time(text: object) -> datetime | None:
    """Read an ISO 8601 UTC time to the second, or return None where it is no such thing."""
    match = _FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match.group(1)).replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def format_time(at: datetime) -> str:
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
