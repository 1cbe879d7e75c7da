"""Which digests rollouts have put on the halt list, which rollout did, and the signed list that says so.

Promises: what the fleet is told is what the database says: a list that was signed before is told again only where it
still says that. Questions about rollouts take the caller's session.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Protocol

from sqlmodel import Session, col, select

from surefoot_server.db import Database
from surefoot_server.rollouts.models import Rollout

log = logging.getLogger(__name__)


class HaltList(Protocol):
    """The part of the online repository that signs which digests nobody may switch to, and knows whether it can."""

    def halt(self, digests: Collection[str], now: datetime) -> bytes: ...

    def halted(self) -> Collection[str]: ...

    def halt_list(self) -> bytes: ...

    def unsignable(self, component: str, now: datetime) -> str: ...


class SignedHalts:
    """Brings the signed list in line with the database and publishes it; safe to call from any thread."""

    def __init__(self, db: Database, halts: HaltList, publish: Callable[[bytes], None]) -> None:
        self._db, self._halts, self._publish = db, halts, publish
        self._said: frozenset[str] | None = None
        self._lock = threading.Lock()

    def sync(self, now: datetime, *, anew: bool = False, again: bool = False) -> None:
        """Tell the fleet where the list has to change; `anew` signs in any case, since another server may have lifted
        meanwhile what this one said last; `again` also tells a list that is right as it is.
        """
        with self._lock:
            with self._db.read() as session:
                wanted = frozenset(halted_digests(session))
            right = wanted == self.digests() and not anew
            if right and not again:
                return
            raw = self._halts.halt_list() if right else self._halts.halt(wanted, now)
            self._said = wanted
            self._publish(raw)  # within the lock: the older of two lists must not be what the broker keeps
            if not right:
                log.info("halt_list_changed digests=%d", len(wanted))

    def digests(self) -> frozenset[str]:
        """Those of the signed list."""
        if self._said is None:
            self._said = frozenset(self._halts.halted())
        return self._said


def halted_digests(session: Session) -> set[str]:
    return {digest for row in _halting(session) for digest in row.digests}


def halting(session: Session, digest: str) -> list[Rollout]:
    return [row for row in _halting(session) if digest in row.digests]


def halted_by(session: Session, row: Rollout) -> str | None:
    """Another rollout that put a release of this one on the halt list; None while its own act explains the halt."""
    if row.halts_digest:
        return None
    mine = row.digests
    others = (other for other in _halting(session) if other.id != row.id)
    return next((other.id for other in others if mine & other.digests), None)


def _halting(session: Session) -> list[Rollout]:
    return list(session.exec(select(Rollout).where(col(Rollout.halts_digest).is_(True))))
