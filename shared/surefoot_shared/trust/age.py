"""How old what a device trusts may get before a person should know; a notice, never a reason to stop or refuse.

A server in the wrong hands can withhold what is new. It cannot keep two things from growing old: the newest time the
director signed, against the policy's `max_offline_days`, and the release role, which only offline keys sign. Pure, and
free of python-tuf, because the long-lived agent asks it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot_shared.trust.clock import parse_time
from surefoot_shared.trust.floors import Floors

ROLE_ALARM = timedelta(days=30)
"""Release roles live half a year; one that was not signed anew a month before its end is being forgotten, or held."""


@dataclass(frozen=True, slots=True)
class Old:
    """`kind` is stale_metadata or old_release_role; the message is the same until something changes."""

    kind: str
    message: str


def grown_old(floors: Floors, now: datetime) -> Iterator[Old]:
    """Yield what a person should look at."""
    signed = parse_time(floors.time)
    for component, days in sorted(floors.offline_days.items()):
        if signed is not None and now - signed > timedelta(days=days):
            yield Old("stale_metadata", f"{component}: nothing newer than {floors.time} was signed for this device.")
    for component, text in sorted(floors.role_expires.items()):
        expires = parse_time(text)
        if expires is not None and expires - now < ROLE_ALARM:
            yield Old("old_release_role", f"{component}: the release keys' newest signature ends {text}.")
