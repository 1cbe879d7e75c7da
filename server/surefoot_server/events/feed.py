"""The feed: everything that happens, numbered, written in the transaction that makes it true, and kept for a while.

Promises: an entry is there if and only if what it tells is there; numbers are committed in their own order, so whoever
has read up to one has missed nothing below it; the oldest go beyond a stated number. Refuses to tell of anything that
is not in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from surefoot_server import db
from surefoot_server.db import Database
from surefoot_server.events.models import FeedEvent, Happening
from surefoot_server.events.sources import Entry, told_by

PENDING = "feed_entries"
LOCK = 0x5F00_0004
"""On PostgreSQL: who numbers entries commits before the next one does. Taken last of all locks, for a moment."""
PAGE = 500
"""Rows that a reader takes at once: its memory is bounded, and a storm of news costs few queries."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a reader wants; empty is everything."""

    rollout: str | None = None
    device: str | None = None
    kinds: Collection[Happening] = field(default=())


EVERYTHING = Filter()


class Feed:
    """`on_news` listeners are called, from any thread, after each commit that told something."""

    def __init__(self, database: Database, keep: int) -> None:
        self.database, self._keep = database, keep
        self._listeners: list[Callable[[], None]] = []
        database.watch(self)

    def on_news(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def flushed(self, session: Session) -> None:
        """Note what the flush wrote; called by the database."""
        now = db.utc_now()
        found = [entry for row in (*session.new, *session.dirty) for entry in told_by(row, now)]
        if found:
            session.info.setdefault(PENDING, []).extend(found)

    def committing(self, session: Session) -> None:
        """Write and number what was noted, as the last act of the transaction."""
        entries: Sequence[Entry] = session.info.get(PENDING, ())
        if entries:
            db.serialise(session, LOCK)
            session.connection().execute(db.table_of(FeedEvent).insert(), list(entries))

    def committed(self, session: Session) -> None:
        if session.info.pop(PENDING, None):
            for listener in self._listeners:
                listener()

    def bounds(self) -> tuple[int, int]:
        """(oldest, newest) number, whoever asks: what a reader may not see leaves no hole. (1, 0) in an empty feed."""
        with self.database.read(whole=True) as session:
            low, high = session.exec(select(sa.func.min(FeedEvent.id), sa.func.max(FeedEvent.id))).one()
        return (low or 1, high or 0)

    def after(self, number: int, wanted: Filter = EVERYTHING, limit: int = PAGE) -> list[FeedEvent]:
        """Entries above the number, the oldest first."""
        with self.database.read() as session:
            query = matching(wanted).where(col(FeedEvent.id) > number)
            return list(session.exec(query.order_by(col(FeedEvent.id)).limit(limit)))

    def newest(self, wanted: Filter, limit: int, before: int | None = None) -> list[FeedEvent]:
        """The newest first, below the number if given."""
        query = matching(wanted).order_by(col(FeedEvent.id).desc()).limit(limit)
        if before is not None:
            query = query.where(col(FeedEvent.id) < before)
        with self.database.read() as session:
            return list(session.exec(query))

    def forget_old(self) -> None:
        """Drop what is beyond the number of entries to keep; their numbers have a hole where a backup came back."""
        newest_first = sa.select(col(FeedEvent.id)).order_by(col(FeedEvent.id).desc())
        with self.database.write() as session:
            if (last := session.connection().scalar(newest_first.offset(self._keep).limit(1))) is not None:
                session.connection().execute(sa.delete(FeedEvent).where(col(FeedEvent.id) <= last))


def matching(wanted: Filter) -> SelectOfScalar[FeedEvent]:
    query = select(FeedEvent)
    if wanted.rollout is not None:
        query = query.where(FeedEvent.rollout_id == wanted.rollout)
    if wanted.device is not None:
        query = query.where(FeedEvent.device_id == wanted.device)
    if wanted.kinds:
        query = query.where(col(FeedEvent.kind).in_([kind.value for kind in wanted.kinds]))
    return query
