"""Every query about channels; callers pass the session and so own the transaction."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from surefoot_server.channels.models import Channel, ChannelEntry, ChannelEvidence
from surefoot_server.devices.models import Assignment, Device, DeviceComponent
from surefoot_server.releases.models import Release
from surefoot_shared.errors import NotFound
from surefoot_shared.status import Outcome


def channel(session: Session, name: str) -> Channel:
    found = session.get(Channel, name)
    if found is None or found.retired_at is not None:
        raise NotFound("not_found", f"There is no channel {name!r}.", "`surefoot channel list` shows all.")
    return found


def channels(session: Session) -> list[Channel]:
    """In the order of promotion: each after the one that it follows, where the session shows that one."""
    query = select(Channel).where(col(Channel.retired_at).is_(None)).order_by(col(Channel.created_at))
    ordered, waiting = list[Channel](), list(session.exec(query))
    while waiting:  # `after` never leads in a circle, so every round places at least one
        left = {row.name for row in waiting}
        ordered += [row for row in waiting if row.after not in left]
        waiting = [row for row in waiting if row.after in left]
    return ordered


def entry(session: Session, name: str, release_id: str) -> ChannelEntry | None:
    query = select(ChannelEntry).where(ChannelEntry.channel == name, ChannelEntry.release_id == release_id)
    found: ChannelEntry | None = session.exec(query).first()
    return found


def entries(session: Session, name: str) -> list[ChannelEntry]:
    """The newest first."""
    query = select(ChannelEntry).where(ChannelEntry.channel == name).order_by(col(ChannelEntry.id).desc())
    return list(session.exec(query))


def evidence(session: Session, name: str, release_id: str, digest: str) -> list[ChannelEvidence]:
    """The oldest first, so that a later result of the same name wins."""
    query = select(ChannelEvidence).where(
        ChannelEvidence.channel == name, ChannelEvidence.release_id == release_id, ChannelEvidence.digest == digest
    )
    return list(session.exec(query.order_by(col(ChannelEvidence.id))))


def running(session: Session, release: Release) -> list[tuple[str, str | None, datetime]]:
    """(device, digest, since when) of devices that run it; since the newest commit of it, or else the last report."""
    parts = session.exec(
        select(DeviceComponent.device_id, DeviceComponent.digest, DeviceComponent.updated_at).where(
            DeviceComponent.release_id == release.id
        )
    ).all()
    commits = session.exec(
        select(Assignment.device_id, Assignment.ended_at).where(
            Assignment.release_id == release.id, Assignment.outcome == Outcome.COMMITTED.value
        )
    ).all()
    since: dict[str, datetime] = {}
    for device, ended_at in commits:
        if ended_at is not None and (device not in since or since[device] < ended_at):
            since[device] = ended_at
    return [(device, digest, since.get(device, updated_at)) for device, digest, updated_at in parts]


def run_by(session: Session) -> dict[str, list[str]]:
    """release id → devices that run it; only devices that are not revoked."""
    query = (
        select(DeviceComponent.release_id, DeviceComponent.device_id)
        .join(Device, col(Device.id) == col(DeviceComponent.device_id))
        .where(col(DeviceComponent.release_id).is_not(None), col(Device.revoked_at).is_(None))
        .order_by(DeviceComponent.device_id)
    )
    found: dict[str, list[str]] = {}
    for release, device in session.exec(query):
        found.setdefault(str(release), []).append(device)
    return found
