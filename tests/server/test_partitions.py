"""On SQLite there are no partitions, and nobody needs to know."""

from __future__ import annotations

from surefoot_server import partitions
from tests.server.rig import NOW, Rig


def test_sqlite_has_none_and_is_left_alone(rig: Rig) -> None:
    with rig.db.write() as session:
        partitions.prepare(session, NOW)
        partitions.drop_older(session, 10**15)

        assert not partitions.used(session)
