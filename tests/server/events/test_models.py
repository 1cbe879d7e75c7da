"""The feed's numbers are never given twice."""

from __future__ import annotations

import sqlalchemy as sa

from surefoot_server import db
from surefoot_server.audit import service as audit
from surefoot_server.events.feed import Feed
from surefoot_server.events.models import FeedEvent, Happening
from tests.server.rig import NOW, Rig


def act(rig: Rig, number: int = 1) -> None:
    with rig.db.write() as session:
        audit.record(session, "alice", "cohort.create", f"cohort:c{number}", {"expression": "all"}, NOW)


def test_a_number_is_not_given_again_after_everything_was_dropped(rig: Rig) -> None:
    act(rig)
    _, before = rig.state.streams.feed.bounds()
    with rig.db.write() as session:
        session.connection().execute(sa.delete(FeedEvent))

    act(rig, 2)

    assert Feed(rig.db, 1000).bounds() == (before + 1, before + 1)


def test_every_kind_fits_its_column() -> None:
    length = db.table_of(FeedEvent).c.kind.type.length

    assert max(len(kind.value) for kind in Happening) <= length
