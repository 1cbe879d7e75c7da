"""Which of several servers on one database decides: the one that holds PostgreSQL's advisory lock.

Promises: at most one at a time, because the lock lives in a session of the database; a leader that dies, hangs beyond
the database's keepalives or loses its connection is replaced at the next look of another. On SQLite there is one server
a folder, so it leads. A leader that was replaced without knowing may still finish a step: every transition of a rollout
is a compare-and-set, so nothing happens twice by it.
"""

from __future__ import annotations

import logging
import threading

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from surefoot_server.db import Database

log = logging.getLogger(__name__)
LOCK = 0x5F00_0005
"""Held as long as it leads, so no transaction may ever ask for the same number."""


class Leader:
    """`leads` may be called from any thread, and asks the database each time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def leads(self) -> bool:
        """Hold or try to take the leadership; False while another server has it or the database is away."""
        if self._database.engine.dialect.name != "postgresql":
            return True
        with self._lock:
            return self._still_leads() or self._elect()

    def resign(self) -> None:
        with self._lock:
            self._drop()

    def _still_leads(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.exec_driver_sql("SELECT 1")
        except DBAPIError as error:
            log.warning("leadership_lost error=%s", type(error).__name__)
            self._drop()
            return False
        return True

    def _elect(self) -> bool:
        try:
            connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            won = bool(connection.execute(sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK}).scalar())
        except DBAPIError as error:
            log.warning("leadership_unknown error=%s", type(error).__name__)
            return False
        if not won:
            connection.close()
            return False
        self._connection = connection
        log.info("leadership_taken")
        return True

    def _drop(self) -> None:
        held, self._connection = self._connection, None
        if held is not None:
            held.invalidate()  # the lock must end with its session, not wait in the pool
            held.close()
