"""Times as a person reads them: in the viewer's zone, with the instant in UTC beside it.

Promises: every `<time>` carries the UTC instant for machines and on hover; without a known zone the text is UTC and
says so. Refuses to guess a zone from an address.
"""

from __future__ import annotations

from datetime import datetime, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from markupsafe import Markup

from surefoot_server.languages.catalogue import Language

COOKIE = "surefoot_zone"


def zone(name: str) -> tzinfo:
    """The viewer's zone by the name their browser gave; UTC where there is none of that name."""
    try:
        return ZoneInfo(name) if name else timezone.utc
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return timezone.utc


def moment(at: datetime | None, where: tzinfo, say: Language) -> Markup:
    """`2026-03-01 19:00` in the viewer's zone."""
    return _time(at, "at", local(at, where)) if at is not None else _never(say)


def second(at: datetime, where: tzinfo) -> Markup:
    """`2026-03-01 19:00:07`, for steps of which several happen in a minute."""
    return _time(at, "second", local(at, where, "%Y-%m-%d %H:%M:%S"))


def since(at: datetime | None, now: datetime, say: Language) -> Markup:
    """`3 min ago`, or `in 3 min`."""
    return _time(at, "since", ago(at, now, say)) if at is not None else _never(say)


def local(at: datetime, where: tzinfo, form: str = "%Y-%m-%d %H:%M") -> str:
    text = at.astimezone(where).strftime(form)
    return f"{text} UTC" if where is timezone.utc else text


def ago(at: datetime | None, now: datetime, say: Language) -> str:
    if at is None:
        return say.gettext("never")
    seconds = int((now - at).total_seconds())
    length = span(abs(seconds), say)
    return say.gettext("in %(time)s", time=length) if seconds < 0 else say.gettext("%(time)s ago", time=length)


def span(seconds: float, say: Language) -> str:
    """A length of time in its largest unit: `3 min`, `2 h`, `5 d`."""
    whole = int(seconds)
    if whole >= 86_400:
        return say.gettext("%(n)s d", n=whole // 86_400)
    if whole >= 3600:
        return say.gettext("%(n)s h", n=whole // 3600)
    if whole >= 60:
        return say.gettext("%(n)s min", n=whole // 60)
    return say.gettext("%(n)s s", n=whole)


def _time(at: datetime, kind: str, text: str) -> Markup:
    utc = at.astimezone(timezone.utc)
    return Markup('<time class="{}" datetime="{}" title="{}">{}</time>').format(
        kind, utc.strftime("%Y-%m-%dT%H:%M:%SZ"), utc.strftime("%Y-%m-%d %H:%M:%S UTC"), text
    )


def _never(say: Language) -> Markup:
    return Markup("<span>{}</span>").format(say.gettext("never"))
