"""Every query about flags, advisories and hooks; callers pass the session and so own the transaction."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from surefoot_server.devices.models import DeviceComponent
from surefoot_server.feedback.models import Advisory, Flag, Hook, HookMessage, HookSecret
from surefoot_server.rollouts.models import Rollout, RolloutDecision, RolloutMember
from surefoot_shared.status import RolloutState

OPEN = tuple(s.value for s in (RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.HELD))


def flags(session: Session, *, standing: bool = True, limit: int = 500) -> list[Flag]:
    """The newest first."""
    query = select(Flag)
    if standing:
        query = query.where(col(Flag.withdrawn_at).is_(None))
    return list(session.exec(query.order_by(col(Flag.id).desc()).limit(limit)))


def about(session: Session, *, device_id: str = "", release_id: str = "", limit: int = 50) -> list[Flag]:
    """Standing flags on a device or a release as a whole, the newest first."""
    query = select(Flag).where(col(Flag.withdrawn_at).is_(None))
    if device_id:
        query = query.where(Flag.device_id == device_id)
    if release_id:
        query = query.where(Flag.release_id == release_id)
    return list(session.exec(query.order_by(col(Flag.id).desc()).limit(limit)))


def advisories(session: Session, release_id: str = "", *, standing: bool = True) -> list[Advisory]:
    query = select(Advisory)
    if release_id:
        query = query.where(Advisory.release_id == release_id)
    if standing:
        query = query.where(col(Advisory.withdrawn_at).is_(None))
    return list(session.exec(query.order_by(col(Advisory.id).desc())))


def hooks(session: Session) -> list[Hook]:
    return list(session.exec(select(Hook).order_by(col(Hook.created_at).desc())))


def hook_secrets(session: Session, hook_id: str, now: datetime) -> list[HookSecret]:
    """Those that count, the newest first."""
    query = select(HookSecret).where(HookSecret.hook_id == hook_id)
    query = query.where(sa.or_(col(HookSecret.ends_at).is_(None), col(HookSecret.ends_at) > now))
    return list(session.exec(query.order_by(col(HookSecret.created_at).desc(), col(HookSecret.id))))


def forget_hook_messages(session: Session, before: datetime) -> None:
    session.connection().execute(sa.delete(HookMessage).where(col(HookMessage.at) < before))


def forget_hook_secrets(session: Session, now: datetime) -> None:
    session.connection().execute(sa.delete(HookSecret).where(col(HookSecret.ends_at) <= now))


def open_rollouts(session: Session, release_id: str = "") -> list[Rollout]:
    """Rollouts that a trigger may stop; of one release, or of all."""
    query = select(Rollout).where(col(Rollout.state).in_(OPEN)).order_by(col(Rollout.number))
    return [row for row in session.exec(query) if not release_id or release_id in row.releases]


def succeeded_rollouts(session: Session, release_id: str) -> list[Rollout]:
    """Ended well, and their sleepers would still be offered the release when they wake."""
    query = select(Rollout).where(Rollout.state == RolloutState.SUCCEEDED.value)
    return [row for row in session.exec(query) if release_id in row.releases]


def flags_of(session: Session, row: Rollout) -> list[Flag]:
    """Standing flags against this rollout, the oldest first: its release's, and those of members that ran it."""
    on_release = select(Flag).where(
        col(Flag.withdrawn_at).is_(None), col(Flag.release_id).in_(row.releases), col(Flag.device_id).is_(None)
    )
    on_devices = (
        select(Flag)
        .join(RolloutMember, col(RolloutMember.device_id) == col(Flag.device_id))
        .where(
            col(Flag.withdrawn_at).is_(None),
            col(Flag.release_id).in_(row.releases),
            RolloutMember.rollout_id == row.id,
            Flag.at >= row.created_at,
        )
    )
    found = [*session.exec(on_release), *session.exec(on_devices)]
    return sorted(found, key=lambda flag: flag.id or 0)


def resumed_at(session: Session, rollout_id: str) -> datetime | None:
    """When a person last let the rollout go on: what was said before is acknowledged."""
    query = select(RolloutDecision.at).where(RolloutDecision.rollout_id == rollout_id, RolloutDecision.kind == "resume")
    found: datetime | None = session.exec(query.order_by(col(RolloutDecision.id).desc()).limit(1)).first()
    return found


def runs(session: Session, device_id: str) -> list[str]:
    """Releases that the device's components run, as far as the server knows them."""
    query = select(DeviceComponent.release_id).where(
        DeviceComponent.device_id == device_id, col(DeviceComponent.release_id).is_not(None)
    )
    return sorted(str(release) for release in session.exec(query))


def running(session: Session, release_id: str) -> list[str]:
    """Devices that run the release."""
    query = select(DeviceComponent.device_id).where(DeviceComponent.release_id == release_id)
    return sorted(session.exec(query))
