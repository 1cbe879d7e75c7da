"""Every query about rollouts; callers pass the session and so own the transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from surefoot_server.devices.models import Assignment, Device, DeviceComponent
from surefoot_server.devices.why import SILENT_AFTER
from surefoot_server.releases.models import Release
from surefoot_server.rollouts import planner
from surefoot_server.rollouts.facts import AttemptFact, Facts, MemberFact, Outages, PhaseFact
from surefoot_server.rollouts.models import EngineClock, Outage, Rollout, RolloutDecision, RolloutMember, RolloutPhase
from surefoot_shared.errors import NotFound
from surefoot_shared.status import AttemptState, Outcome, PhaseState, RolloutState

MEMBER, SATISFIED, EXCLUDED = "member", "satisfied", "excluded"
"""The standings of a device in a rollout."""
AT_WORK = frozenset({RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.HELD, RolloutState.REVERTING})
"""A rollout in one of these has its devices for itself; a halted one leaves them to a release that mends it."""
CLAIMING = AT_WORK | {RolloutState.HALTED, RolloutState.SUCCEEDED}
"""A younger rollout in one of these is the newer word on its devices."""


def rollout(session: Session, rollout_id: str) -> Rollout:
    found = session.get(Rollout, rollout_id)
    if found is None:
        raise NotFound("not_found", f"There is no rollout {rollout_id!r}.", "`surefoot rollout list` shows all.")
    return found


def rollouts(session: Session, limit: int = 100) -> list[Rollout]:
    """The newest first."""
    return list(session.exec(select(Rollout).order_by(col(Rollout.number).desc()).limit(limit)))


def next_number(session: Session) -> int:
    return (session.exec(select(sa.func.max(Rollout.number))).one() or 0) + 1


def claim(session: Session, rollout_id: str, phase: int, version: int) -> bool:
    """Compare-and-set: True for the one caller that saw the newest (phase, version) and may change the rollout."""
    statement = (
        sa.update(Rollout)
        .where(col(Rollout.id) == rollout_id, col(Rollout.phase) == phase, col(Rollout.version) == version)
        .values(version=version + 1)
        .execution_options(synchronize_session=False)
    )
    return session.connection().execute(statement).rowcount == 1


def to_look_at(session: Session) -> list[str]:
    """Ids of what the engine has to look at: those at work, ended ones with something open, sleepers that woke."""
    unfinished = select(Assignment.rollout_id).where(col(Assignment.open).is_(True))
    waiting = (
        select(RolloutMember.rollout_id)
        .join(Device, col(Device.id) == col(RolloutMember.device_id))
        .where(
            RolloutMember.standing == MEMBER,
            col(RolloutMember.assignment_id).is_(None),
            col(Device.online).is_(True),
        )
    )
    query = select(Rollout.id).where(
        sa.or_(
            col(Rollout.state).in_(_values(AT_WORK)),
            col(Rollout.id).in_(unfinished),
            sa.and_(col(Rollout.state) == RolloutState.SUCCEEDED.value, col(Rollout.id).in_(waiting)),
        )
    )
    return list(session.exec(query.order_by(col(Rollout.number))))


def phases(session: Session, rollout_id: str) -> list[RolloutPhase]:
    query = select(RolloutPhase).where(RolloutPhase.rollout_id == rollout_id).order_by(col(RolloutPhase.index))
    return list(session.exec(query))


def members(session: Session, rollout_id: str, standing: str | None = None) -> list[RolloutMember]:
    query = select(RolloutMember).where(RolloutMember.rollout_id == rollout_id)
    if standing is not None:
        query = query.where(RolloutMember.standing == standing)
    return list(session.exec(query.order_by(col(RolloutMember.device_id))))


def memberships(session: Session, device_id: str) -> list[tuple[RolloutMember, Rollout]]:
    """The rollouts that know the device, the newest first."""
    query = (
        select(RolloutMember, Rollout)
        .join(Rollout, col(Rollout.id) == col(RolloutMember.rollout_id))
        .where(RolloutMember.device_id == device_id)
        .order_by(col(Rollout.number).desc())
    )
    return list(session.exec(query))


def decisions(session: Session, rollout_id: str, limit: int = 200) -> list[RolloutDecision]:
    """The newest first."""
    query = select(RolloutDecision).where(RolloutDecision.rollout_id == rollout_id)
    return list(session.exec(query.order_by(col(RolloutDecision.id).desc()).limit(limit)))


def halted_digests(session: Session) -> set[str]:
    return set(session.exec(select(Rollout.digest).where(col(Rollout.halts_digest).is_(True))))


def halting(session: Session, digest: str) -> list[Rollout]:
    return list(session.exec(select(Rollout).where(Rollout.digest == digest, col(Rollout.halts_digest).is_(True))))


def halted_by(session: Session, row: Rollout) -> str | None:
    """Another rollout that put this one's release on the halt list; None while its own act explains the halt."""
    if row.halts_digest:
        return None
    return next((other.id for other in halting(session, row.digest) if other.id != row.id), None)


def facts(session: Session, row: Rollout, now: datetime) -> Facts:
    """Read all that the engine may ask of a rollout, in the order in which its devices have their turn."""
    attempt, revert = aliased(Assignment), aliased(Assignment)
    query = (
        sa.select(RolloutMember, Device, attempt, revert, col(DeviceComponent.digest))
        .join(Device, col(Device.id) == col(RolloutMember.device_id))
        .outerjoin(attempt, col(attempt.id) == col(RolloutMember.assignment_id))
        .outerjoin(revert, col(revert.id) == col(RolloutMember.revert_assignment_id))
        .outerjoin(
            DeviceComponent,
            sa.and_(col(DeviceComponent.device_id) == Device.id, col(DeviceComponent.component) == row.component),
        )
        .where(col(RolloutMember.rollout_id) == row.id, col(RolloutMember.standing) == MEMBER)
        # Devices change in other transactions of this session's lifetime: what is cached must not stand for what is.
        .execution_options(populate_existing=True)
    )
    down, claims = outages(session, now), claims_on(session, row.component, CLAIMING, younger_than=row.number)
    found = [
        _member(row, claims, down, now, member, device, tried, taken_back, digest)
        for member, device, tried, taken_back, digest in Session.execute(session, query)
    ]
    found.sort(key=lambda m: (m.phase, planner.rank(m.device, row.salt)))
    return Facts(
        state=RolloutState(row.state),
        phase=row.phase,
        phases=tuple(_phase(p) for p in phases(session, row.id)),
        members=tuple(found),
        outages=down,
    )


def claims_on(
    session: Session, component: str, states: Collection[RolloutState], younger_than: int = 0
) -> dict[str, str]:
    """device → the youngest rollout of the component, in one of the states, that has it as a member."""
    query = (
        select(RolloutMember.device_id, Rollout.id)
        .join(Rollout, col(Rollout.id) == col(RolloutMember.rollout_id))
        .where(
            Rollout.component == component,
            col(Rollout.state).in_(_values(states)),
            col(Rollout.number) > younger_than,
            RolloutMember.standing == MEMBER,
        )
        .order_by(col(Rollout.number))
    )
    return dict(session.exec(query).all())


def candidates(
    session: Session, device_ids: Sequence[str], component: str, selected: Sequence[Collection[str] | None]
) -> list[planner.Candidate]:
    """Read what the planner needs of these devices; `selected` holds a set of ids for each phase with a `select`."""
    query = (
        sa.select(Device, col(DeviceComponent.digest), col(Release.counter))
        .outerjoin(
            DeviceComponent,
            sa.and_(col(DeviceComponent.device_id) == Device.id, col(DeviceComponent.component) == component),
        )
        .outerjoin(Release, col(Release.id) == col(DeviceComponent.release_id))
        .order_by(col(Device.id))
    )
    wanted, claims = set(device_ids), claims_on(session, component, AT_WORK)
    return [
        planner.Candidate(
            device=device.id,
            hw=device.hw,
            revoked=device.revoked_at is not None,
            running=digest,
            running_counter=counter,
            claimed_by=claims.get(device.id),
            selected=frozenset(i for i, ids in enumerate(selected) if ids is not None and device.id in ids),
        )
        for device, digest, counter in Session.execute(session, query)
        if device.id in wanted
    ]


OUTAGE_FROM_S = 30.0
"""A gap between two looks that is longer was no slow tick: the server stood still, or could not be reached."""
MARK_EVERY_S = 5.0
"""How often the engine's clock is written: seldom enough for a quiet disk, often enough to bound an outage's start."""
KEEP_OUTAGES = timedelta(days=60)
"""Longer than any timer of a policy is likely to run."""


def mark_look(session: Session, now: datetime) -> float:
    """Note that the engine looks now; a long gap since its last look becomes an outage. Returns its seconds."""
    clock = session.get(EngineClock, 1) or EngineClock(id=1, ticked_at=now)
    gap_s = (now - clock.ticked_at).total_seconds()
    if gap_s >= OUTAGE_FROM_S:
        session.add(Outage(began_at=clock.ticked_at, ended_at=now, cause="the server did not run or was cut off"))
    clock.ticked_at = now
    session.add(clock)
    session.flush()
    return gap_s if gap_s >= OUTAGE_FROM_S else 0.0


def last_look(session: Session) -> datetime | None:
    clock = session.get(EngineClock, 1)
    return clock.ticked_at if clock else None


def outages(session: Session, now: datetime) -> Outages:
    rows = session.exec(select(Outage).where(col(Outage.ended_at) >= now - KEEP_OUTAGES))
    return Outages(tuple((row.began_at, row.ended_at) for row in rows))


def _member(
    row: Rollout,
    claims: dict[str, str],
    down: Outages,
    now: datetime,
    member: RolloutMember,
    device: Device,
    attempt: Assignment | None,
    revert: Assignment | None,
    digest: str | None,
) -> MemberFact:
    revoked = device.revoked_at is not None
    heard = device.last_seen_at is not None and down.elapsed_s(device.last_seen_at, now) < SILENT_AFTER.total_seconds()
    previous = attempt.previous_release_id if attempt else None
    return MemberFact(
        device=member.device_id,
        hw=member.hw,
        phase=member.phase or 0,
        # A broker that died published no last will: who says online and is not heard is not.
        online=device.online and heard and not revoked,
        last_seen_at=device.last_seen_at,
        attempt=_attempt(attempt),
        revert=_attempt(revert),
        has_previous=previous not in (None, row.release_id) and not revoked,
        runs_release=digest == row.digest,
        claimed_by=claims.get(member.device_id),
    )


def _attempt(row: Assignment | None) -> AttemptFact | None:
    if row is None:
        return None
    return AttemptFact(
        state=AttemptState(row.state),
        offered_at=row.offered_at,
        state_at=row.state_at,
        phase=row.phase or 0,
        outcome=Outcome(row.outcome) if row.outcome else None,
        ended_at=row.ended_at,
    )


def _phase(row: RolloutPhase) -> PhaseFact:
    return PhaseFact(PhaseState(row.state), row.waiting_since, row.baking_at, row.acknowledged)


def _values(states: Collection[RolloutState]) -> list[str]:
    return sorted(state.value for state in states)
