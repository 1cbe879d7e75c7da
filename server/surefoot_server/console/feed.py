"""What happened, as lines of a page: the last ones when it is opened, and each new one as it comes.

Promises: a line says what its entry says; the page that was opened and the stream that follows it leave nothing out in
between. Every text of an entry is escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col

from surefoot_server.console import frame
from surefoot_server.console.frame import View
from surefoot_server.events.feed import Filter, matching
from surefoot_server.events.models import FeedEvent, Happening
from surefoot_server.events.streams import Alive, Gap, Item

SHOWN = 40
QUIET = frozenset({Happening.AUDIT})
"""Kinds that change nothing of what an overview says."""
NEWS = "event: news\ndata: 1\n\n"
"""To the page: read anew what counts and states are made of."""


@dataclass(frozen=True, slots=True)
class Line:
    """`word` is of the vocabulary where the entry has one; `what` is an act's name."""

    at: datetime
    word: str
    what: str
    text: str
    device: str
    actor: str


def last(session: Session, wanted: Filter) -> tuple[list[Line], int]:
    """The newest lines first, and the number of the newest entry of all that were looked at."""
    query = matching(wanted).order_by(col(FeedEvent.id).desc()).limit(SHOWN)
    rows = list(session.exec(query))
    return [line(row) for row in rows], max((row.id or 0 for row in rows), default=0)


def line(row: FeedEvent) -> Line:
    detail, word, what = row.detail, "", ""
    parts = [str(detail[name]) for name in ("name", "reason", "message") if detail.get(name)]
    match row.kind:
        case Happening.ROLLOUT.value | Happening.PHASE.value:
            word = "held" if detail.get("held") else str(detail.get("state", ""))
        case Happening.VERDICT.value:
            word = str(detail.get("verdict", ""))
        case Happening.OUTCOME.value:
            word = str(detail.get("outcome", ""))
            parts = [str(detail.get("release", "")), *parts]
        case Happening.ALARM.value:
            word = str(detail.get("alarm", "held" if row.rollout_id else "unknown"))
        case _:
            what = str(detail.get("action", row.kind)).rpartition(".")[2].replace("_", " ")
    return Line(row.at, word, what, ": ".join(part for part in parts if part), row.device_id or "", row.actor)


def as_lines(item: Item, view: View) -> str:
    """An item of the stream as server-sent events: the new line, then the word that the page's figures changed."""
    match item:
        case Alive():
            return ": alive\n\n"
        case Gap():
            return NEWS
        case FeedEvent():
            html = frame.render("feed_line.html", view, line=line(item))
            part = f'<hx-partial hx-target="#lines" hx-swap="afterbegin">{html}</hx-partial>'
            data = "\n".join(f"data: {text}" for text in part.splitlines())
            return f"id: {item.id}\n{data}\n\n{NEWS}"


def as_news(item: Item, _view: View) -> str:
    """An item for a page without lines."""
    match item:
        case FeedEvent() if item.kind not in QUIET:
            return f"id: {item.id}\n{NEWS}"
        case Gap():
            return NEWS
    return ": alive\n\n"
