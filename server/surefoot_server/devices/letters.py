"""Messages that were put aside because they could not be read, proved or stored, for a person to look at.

Promises: the same bytes on the same topic are one row with a count; of one device no more than KEPT rows stay, the
oldest go first, so that a device that sends rubbish cannot fill the disk. What a row holds is a stranger's: it is never
read again by the machine. The caller owns the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from surefoot_server.devices.models import DeadLetter

KEPT = 20
"""Of one device: enough to see what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """`device_id` is of the topic and may be unknown; `excerpt` is the beginning."""

    device_id: str
    topic: str
    sha256: str
    excerpt: bytes
    error: str


def keep(session: Session, refused: Refused, now: datetime) -> None:
    """Store the message, or count it where it is there already."""
    topic = refused.topic[:200]
    query = select(DeadLetter).where(DeadLetter.topic == topic, DeadLetter.sha256 == refused.sha256)
    row = session.exec(query).first()
    if row is None:
        row = DeadLetter(
            device_id=refused.device_id[:64],
            topic=topic,
            sha256=refused.sha256,
            excerpt=refused.excerpt,
            error=refused.error,
            count=0,
            first_at=now,
            last_at=now,
        )
    row.count, row.last_at, row.error = row.count + 1, now, refused.error
    session.add(row)
    session.flush()
    for old in of_device(session, row.device_id)[KEPT:]:
        session.delete(old)


def of_device(session: Session, device_id: str) -> Sequence[DeadLetter]:
    """Newest first."""
    query = select(DeadLetter).where(DeadLetter.device_id == device_id)
    return list(session.exec(query.order_by(col(DeadLetter.last_at).desc(), col(DeadLetter.id).desc())))
