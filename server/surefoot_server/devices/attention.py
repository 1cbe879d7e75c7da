"""What a person must look at on a device, and when it is over by itself.

Promises: two agents with one identity stay the first concern, since what either says is in doubt; what later reports
prove to be over is cleared without a person: a rollback alarm by a proved commit or by newer metadata, an identity
conflict by a minute in which only one agent was heard, trouble with its storage or its settings by an agent that starts
anew and does not tell it again. Everything else waits for `acknowledge`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col

from surefoot_server import db
from surefoot_server.devices.models import Device
from surefoot_shared import wire
from surefoot_shared.messages import Hello, MetadataVersions

TEXT_LIMIT = 4000
"""Characters kept of a device's free text; an event is at most 256 kB but a list of them must stay readable."""
CONFLICT = "identity_conflict"
SECURITY = "security"
ROLLBACK = "metadata_rollback"
STORAGE, CHECKS, DATA, CONFIGURATION = "storage", "checks", "data", "configuration"
TOLD = {
    "journal_unreadable": STORAGE,
    "no_space": STORAGE,
    "migration_failed": DATA,
    "config_unreadable": CONFIGURATION,
    "config_unknown_key": CONFIGURATION,
    "config_invalid": CONFIGURATION,
}
"""What a device tells without an attempt and a person must see to, by its reason."""
CONFLICT_LASTS = timedelta(seconds=60)
"""Two agents push each other off the broker within seconds, so a minute of one voice means that the other is gone."""
SETTLED = {"attention": None, "attention_reason": "", "attention_message": "", "attention_at": None}


def attend(device: Device, kind: str, message: str, now: datetime, reason: str | None = None) -> None:
    """Ask for a person, unless two agents with one identity already do."""
    if device.attention == CONFLICT and kind != CONFLICT:
        return
    device.attention, device.attention_reason = kind, (reason or "")[:64]
    device.attention_message, device.attention_at = message[:TEXT_LIMIT], now


def clear(device: Device) -> None:
    for name, value in SETTLED.items():
        setattr(device, name, value)


def committed(device: Device) -> None:
    """A proved commit: the device trusts the metadata that it is served again, and its own checks judged a release."""
    if device.attention in (CHECKS, DATA) or (device.attention == SECURITY and device.attention_reason == ROLLBACK):
        clear(device)


def usable_again(device: Device) -> None:
    """Told by a device whose broken settings were mended before it could tell of them, too."""
    if device.attention == CONFIGURATION:
        clear(device)


def refused(device: Device, reason: str | None, message: str, now: datetime) -> None:
    """A device whose own checks cannot run refuses every release until a person mends them."""
    if reason == "check_not_run":
        attend(device, CHECKS, message, now, reason)


def greeted(device: Device, hello: Hello, now: datetime, anew: bool) -> None:
    """A hello without a conflict, before it is copied: newer metadata than the device had ends a rollback alarm.

    `anew`: it is of an agent that has just started, which tells again what its storage still lacks.
    """
    if device.attention in (STORAGE, CONFIGURATION) and anew:
        clear(device)
    if device.attention == CONFLICT and device.attention_at is not None and now - device.attention_at >= CONFLICT_LASTS:
        clear(device)
    if device.attention != SECURITY or device.attention_reason != ROLLBACK:
        return
    pairs = ((device.image_versions, hello.image), (device.director_versions, hello.director))
    steps = [step for before, after in pairs for step in _steps(wire.from_json(MetadataVersions, before), after)]
    if min(steps) >= 0 and max(steps) > 0:
        clear(device)


def one_voice(session: Session, device_ids: Collection[str], now: datetime) -> None:
    """These devices were heard without a conflict: one that is older than a minute is over."""
    over = col(Device.attention_at) <= now - CONFLICT_LASTS
    named = db.names_in(col(Device.id), device_ids)
    session.connection().execute(update(Device).where(named, col(Device.attention) == CONFLICT, over).values(SETTLED))


def _steps(before: MetadataVersions, after: MetadataVersions) -> list[int]:
    return [getattr(after, name) - getattr(before, name) for name in ("root", "timestamp", "snapshot", "targets")]
