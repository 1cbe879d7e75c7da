"""One server decides, and another takes over."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from surefoot_server.audit import service as audit
from surefoot_server.db import Database
from surefoot_server.leader import Leader
from tests.server.house import until
from tests.server.postgresql import Cluster
from tests.server.rig import NOW, Rig


def test_on_sqlite_the_only_server_leads(rig: Rig) -> None:
    leader = Leader(rig.db)

    assert leader.leads()
    leader.resign()
    assert leader.leads()


@pytest.mark.slow
@pytest.mark.needs("initdb")
def test_on_postgresql_acts_are_recorded_while_one_leads(postgresql_rig: Rig) -> None:
    """The leader's lock and the lock of the audit trail's chain are two: with one number the first act would wait."""
    leader = Leader(postgresql_rig.db)
    assert leader.leads()

    with postgresql_rig.db.write() as session:
        session.connection().execute(sa.text("SET LOCAL lock_timeout = '5s'"))
        audit.record(session, "alice", "cohort.create", "cohort:a", {}, NOW)

    with postgresql_rig.db.read() as session:
        assert audit.verify(session).rows == 1
    leader.resign()


@pytest.mark.slow
@pytest.mark.needs("initdb")
def test_on_postgresql_one_leads_until_it_resigns_or_its_session_ends(postgresql: Cluster) -> None:
    url = postgresql.fresh()
    first, second = Leader(Database(url)), Leader(Database(url))

    assert (first.leads(), second.leads(), first.leads()) == (True, False, True)

    first.resign()  # the database frees the lock once it notices that the session is gone
    until(second.leads)
    assert not first.leads()

    with sa.create_engine(url, isolation_level="AUTOCOMMIT").connect() as admin:
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        admin.exec_driver_sql(f"SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE {others}")
    assert (first.leads(), second.leads()) == (True, False)
    for leader in (first, second):
        leader.resign()
        leader._database.dispose()
