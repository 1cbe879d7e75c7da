"""Tags of many devices at once: what is added and what is removed, for exactly the devices that a person confirmed.

Promises: all or none; it is refused where the devices that are meant have become more or fewer since they were counted.
One audit row names every device, what it was asked, and how many changed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, func
from sqlmodel import Session, col, select

from surefoot_server import db
from surefoot_server.audit import service as audit
from surefoot_server.devices import search
from surefoot_server.devices.models import DeviceTag
from surefoot_server.devices.search import Selection
from surefoot_shared.errors import Conflict, Invalid

TAG = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$"
MOST_TAGS = 50
"""Of one device: a list that a person reads."""


@dataclass(frozen=True, slots=True)
class Retagged:
    """How many devices were meant, and how many got or lost a tag that they had not or had."""

    devices: int
    added: int
    removed: int


def retag(
    session: Session,
    selection: Selection,
    add: Collection[str],
    remove: Collection[str],
    confirmed: int,
    actor: str,
    now: datetime,
) -> Retagged:
    """Add and remove tags on the devices that are meant. Raises Invalid, NotFound, Conflict; nothing changes then."""
    check(add, remove)
    meant = search.ids(session, selection)
    if len(meant) != confirmed:
        message = f"{len(meant):,} devices are meant now and {confirmed:,} were confirmed, so no tag was changed."
        raise Conflict("conflict", message, "Look at them again and confirm the new number.")
    pairs = [{"device_id": device, "tag": tag} for device in meant for tag in sorted(set(add))]
    added = db.insert_ignoring(session, DeviceTag, pairs)
    removed = _remove(session, meant, sorted(set(remove)))
    _check_room(session)
    detail = {
        "add": sorted(set(add)),
        "remove": sorted(set(remove)),
        "q": selection.text,
        "cohort": selection.cohort,
        "is": selection.standing.value if selection.standing else "",
        "added": added,
        "removed": removed,
        "devices": meant,
    }
    audit.record(session, actor, "device.tags", f"devices:{len(meant)}", detail, now)
    return Retagged(len(meant), added, removed)


def check(add: Collection[str], remove: Collection[str]) -> None:
    """Raises Invalid where this is no change of tags."""
    if not add and not remove:
        raise Invalid("malformed", "No tag is given, neither to add nor to remove.")
    for tag in [*add, *remove]:
        if not re.fullmatch(TAG, tag):
            hint = "Use 1 to 64 letters, digits, dots, dashes, colons or underscores; the first is a letter or a digit."
            raise Invalid("malformed", f"{tag!r} is no tag.", hint)
    if both := sorted(set(add) & set(remove)):
        raise Invalid("malformed", f"The tag {both[0]!r} cannot be added and removed at once.")


def _remove(session: Session, meant: Sequence[str], tags: Sequence[str]) -> int:
    if not tags or not meant:
        return 0
    had = set(session.exec(select(DeviceTag.device_id, DeviceTag.tag).where(col(DeviceTag.tag).in_(tags))))
    gone = [{"of_device": device, "of_tag": tag} for device in meant for tag in tags if (device, tag) in had]
    if gone:
        mine = (col(DeviceTag.device_id) == bindparam("of_device"), col(DeviceTag.tag) == bindparam("of_tag"))
        session.connection().execute(delete(DeviceTag).where(*mine), gone)
    return len(gone)


def _check_room(session: Session) -> None:
    crowded = select(DeviceTag.device_id, func.count()).group_by(DeviceTag.device_id)
    found = session.exec(crowded.having(func.count() > MOST_TAGS).order_by(DeviceTag.device_id).limit(1)).first()
    if found is not None:
        message = f"{found[0]} would have {found[1]} tags and {MOST_TAGS} are allowed, so no tag was changed."
        raise Conflict("conflict", message, "Remove tags that say nothing any more.")
