"""Orders that could not be signed: noted with why, so that nobody waits for a device that was never told.

Promises: only an order that the device cannot have is noted: one that it did not begin, and that is younger than what
the device holds. Works in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session

from surefoot_server.devices import repository
from surefoot_server.devices.models import Assignment
from surefoot_shared import wire
from surefoot_shared.messages import MetadataVersions
from surefoot_shared.status import AttemptState

NOT_SIGNED = "not_signed"
"""The kind of the error, and of an order that was taken back for it."""


def note(session: Session, device_id: str, why: str) -> None:
    device = repository.device(session, device_id)
    held = wire.from_json(MetadataVersions, device.director_versions).timestamp
    for row in repository.wanted(session, device_id):
        # Numbers of orders and of what is signed come from one count, so a device that holds a later one was told.
        if row.open and row.state == AttemptState.OFFERED.value and row.seq > held:
            row.unsigned = why
            session.add(row)


def known(wanted: Sequence[Assignment]) -> bool:
    """Whether one of these orders is noted."""
    return any(row.unsigned for row in wanted)


def clear(session: Session, device_id: str) -> None:
    """The device was told."""
    for row in _noted(session, device_id):
        row.unsigned = None
        session.add(row)


def _noted(session: Session, device_id: str) -> list[Assignment]:
    return [row for row in repository.wanted(session, device_id) if row.unsigned]
