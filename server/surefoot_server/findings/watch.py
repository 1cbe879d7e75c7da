"""What a person must hear of without asking: releases that devices run although something bad is known of them.

Promises: at most one look a minute, whoever asks how often: the question costs the database a join for each release.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from surefoot_server.db import Database
from surefoot_server.findings import service
from surefoot_server.findings.service import Concern

EVERY = timedelta(minutes=1)


class Watch:
    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._db, self._clock = database, clock
        self._looked_at: datetime | None = None
        self._found: Sequence[Concern] = ()

    def concerns(self) -> Sequence[Concern]:
        """One for each such release."""
        now = self._clock()
        if self._looked_at is None or not timedelta(0) <= now - self._looked_at < EVERY:
            with self._db.read() as session:
                self._found = service.concerns(session, now)
            self._looked_at = now
        return self._found
