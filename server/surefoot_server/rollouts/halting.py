"""Which digests rollouts have put on the halt list, and which rollout did; callers pass the session."""

from __future__ import annotations

from sqlmodel import Session, col, select

from surefoot_server.rollouts.models import Rollout


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
