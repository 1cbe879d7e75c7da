"""Times of day at a site, and what they are in UTC: windows to download or to switch in, and days when nothing changes.

Promises: pure; an hour that a clock change skips is the end of its gap, one that it repeats is open both times; a
window over midnight is one window. Devices get UTC intervals and need no time zones (DESIGN §4).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

HORIZON = timedelta(days=60)
"""How far ahead a device is told its windows."""
MOST = 120
"""Intervals that one device is told: two a day for all of HORIZON. More would swell every bundle."""
SPANS = 8
"""Of one day: with more, what a device is told would end sooner than it is told anew."""
SITE_LOCAL = "site-local"
_DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
_SPAN = re.compile(r"(\d{2}):(\d{2})-(\d{2}):(\d{2})")
Interval = tuple[datetime, datetime]
Intervals = tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """Daily spans of wall-clock minutes; `zone` is an IANA name or `site-local`."""

    zone: str
    spans: tuple[tuple[int, int], ...]
    text: str


@dataclass(frozen=True, slots=True)
class Freeze:
    """Days, both included, on which nothing new begins."""

    first: date
    last: date


def parse_window(text: str) -> Window | None:
    """Read `any`, or a zone and spans such as `site-local 01:00-05:00, 13:00-14:00`; raises ValueError saying why."""
    if text == "any":
        return None
    zone, _, rest = text.partition(" ")
    if zone != SITE_LOCAL:
        zone = "UTC" if zone == "utc" else zone
        _zone(zone, strict=True)
    spans = tuple(_span(part.strip()) for part in rest.split(",")) if rest.strip() else ()
    if not spans:
        raise ValueError(f"{text!r} has no hours such as 01:00-05:00")
    if len(spans) > SPANS:
        raise ValueError(f"{text!r} has more than {SPANS} spans of hours")
    return Window(zone, spans, text)


def parse_freeze(text: str) -> Freeze:
    """Read one day or two with a slash between them; raises ValueError saying why."""
    first, _, last = text.partition("/")
    try:
        found = Freeze(date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip()))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a day such as 2026-12-24, or two with a slash between them") from error
    if found.last < found.first:
        raise ValueError(f"{text!r} ends before it begins")
    return found


def known_zone(name: str) -> bool:
    try:
        _zone(name, strict=True)
    except ValueError:
        return False
    return True


def intervals(window: Window | None, freezes: tuple[Freeze, ...], site_zone: str, since: datetime) -> Intervals:
    """UTC intervals from `since` on, as far ahead as HORIZON; empty means any time (no window, no freeze ahead)."""
    return _intervals(window, freezes, site_zone, since.replace(second=0, microsecond=0))


def open_since(window: Window | None, freezes: tuple[Freeze, ...], site_zone: str, now: datetime) -> datetime | None:
    """Since when it has been open without a break, None while it is closed. `now - HORIZON` stands for always."""
    found = intervals(window, freezes, site_zone, now - _DAY)
    if not found:
        return now - HORIZON
    return next((start for start, end in found if start <= now < end), None)


@functools.lru_cache(maxsize=1024)  # a site's devices share it, and a tick asks for each of them
def _intervals(window: Window | None, freezes: tuple[Freeze, ...], site_zone: str, since: datetime) -> Intervals:
    until = since + HORIZON
    zone = _zone(site_zone if window is None or window.zone == SITE_LOCAL else window.zone)
    frozen = [span for f in freezes if (span := _frozen(f, _zone(site_zone))) and span[1] > since and span[0] < until]
    if window is None and not frozen:
        return ()
    open_spans: list[Interval] = [(since, until)] if window is None else list(_daily(window, zone, since, until))
    for span in frozen:
        open_spans = [part for each in open_spans for part in _without(each, span)]
    return tuple(open_spans[:MOST]) or ((until, until + _DAY),)


def _daily(window: Window, zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[Interval]:
    day, last = since.astimezone(zone).date() - _DAY, until.astimezone(zone).date()
    while day <= last:
        for first, end in window.spans:
            over = _DAY if end <= first else timedelta()
            opens, closes = _utc(day, first, zone, fold=0), _utc(day + over, end, zone, fold=1)
            if closes > max(opens, since) and opens < until:
                yield max(opens, since), closes
        day += _DAY


def _utc(day: date, minutes: int, zone: ZoneInfo, fold: int) -> datetime:
    """`fold` 1 is the second of two equal wall-clock times; one that does not exist is the end of its gap."""
    extra, at = divmod(minutes, 24 * 60)
    wall = datetime.combine(day + _DAY * extra, time(at // 60, at % 60), zone)
    there = wall.replace(fold=fold).astimezone(timezone.utc)
    if there.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return there
    there, offset = wall.replace(fold=1).astimezone(timezone.utc), wall.replace(fold=0).utcoffset()
    while there.astimezone(zone).utcoffset() == offset:
        there += MINUTE
    return there


def _frozen(freeze: Freeze, zone: ZoneInfo) -> Interval:
    return _utc(freeze.first, 0, zone, fold=0), _utc(freeze.last + _DAY, 0, zone, fold=1)


def _without(span: Interval, hole: Interval) -> Iterator[Interval]:
    if hole[1] <= span[0] or hole[0] >= span[1]:
        yield span
        return
    if span[0] < hole[0]:
        yield span[0], hole[0]
    if hole[1] < span[1]:
        yield hole[1], span[1]


def _span(text: str) -> tuple[int, int]:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a span of hours such as 01:00-05:00")
    first, last, end, end_minutes = (int(number) for number in found.groups())
    begins, ends = first * 60 + last, end * 60 + end_minutes
    if max(last, end_minutes) > 59 or begins >= 24 * 60 or ends > 24 * 60 or begins == ends:
        raise ValueError(f"{text!r} is not a span of hours such as 01:00-05:00")
    return begins, ends


def _zone(name: str, strict: bool = False) -> ZoneInfo:
    """A site whose zone is not known here counts as UTC; a policy's own must be known."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        if strict:
            raise ValueError(f"{name!r} is neither site-local nor a time zone such as UTC or Asia/Tokyo") from error
        return ZoneInfo("UTC")
