"""Every query about rollouts; callers pass the session and so own the transaction."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from surefoot_server.devices.models import Assignment, Device, DeviceComponent
from surefoot_server.devices.why import SILENT_AFTER
from surefoot_server.releases.models import Release
from surefoot_server.rollouts import bars, halting, joined, outages, planner, queries, stages
from surefoot_server.rollouts import policy as policies
from surefoot_server.rollouts.approvals import missing
from surefoot_server.rollouts.facts import AttemptFact, Facts, MemberFact, Outages, PhaseFact
from surefoot_server.rollouts.models import (
    Rollout,
    RolloutApproval,
    RolloutDecision,
    RolloutMember,
    RolloutPhase,
)
from surefoot_server.rollouts.tally import Ended
from surefoot_shared.errors import NotFound
from surefoot_shared.status import AttemptState, Outcome, PhaseState, RolloutState, Verdict

CHUNK = 500
"""Values in one IN list: PostgreSQL and SQLite take more, and gain nothing by it."""
ORDER_FIELDS = (
    "state",
    "offered_at",
    "state_at",
    "phase",
    "outcome",
    "ended_at",
    "reason",
    "strayed_at",
    "previous_release_id",
    "activate",
    "windows",
    "download_windows",
    "full",
    "vacated_at",
    "unsigned",
    "tallied",
    "tallied_at",
)
"""What is read of an assignment."""
MEMBER, SATISFIED, EXCLUDED = queries.MEMBER, queries.SATISFIED, queries.EXCLUDED
AT_WORK, CLAIMING = queries.AT_WORK, queries.CLAIMING


def rollout(session: Session, rollout_id: str) -> Rollout:
    found = session.get(Rollout, rollout_id)
    if found is None:
        raise NotFound("not_found", f"There is no rollout {rollout_id!r}.", "`surefoot rollout list` shows all.")
    return found


def rollouts(session: Session, limit: int = 100, before: int | None = None) -> list[Rollout]:
    """The newest first, below the number `before` if given."""
    query = select(Rollout).order_by(col(Rollout.number).desc()).limit(limit)
    return list(session.exec(query if before is None else query.where(Rollout.number < before)))


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


WHOLE = -1
"""In the place of a phase: the approvals of the rollout itself."""


def votes(session: Session, rollout_id: str) -> dict[int, set[str]]:
    """phase (or WHOLE) → who approved it."""
    found: dict[int, set[str]] = {}
    for row in session.exec(select(RolloutApproval).where(RolloutApproval.rollout_id == rollout_id)):
        found.setdefault(row.phase, set()).add(row.actor)
    return found


def to_look_at(session: Session, awake_since: datetime | None = None) -> list[str]:
    """Ids of what the engine has to look at: those at work, ended ones with something open or new, sleepers that woke.

    `awake_since` asks only for sleepers that said hello since then.
    """
    asked = {} if awake_since is None else {"awake_since": awake_since}
    return list(session.connection().scalars(queries.to_look_at(bool(asked)), asked))


def phases(session: Session, rollout_id: str) -> list[RolloutPhase]:
    return list(session.exec(queries.phases(), params={"rollout": rollout_id}))


def members(session: Session, rollout_id: str, standing: str | None = None) -> list[RolloutMember]:
    query = select(RolloutMember).where(RolloutMember.rollout_id == rollout_id)
    if standing is not None:
        query = query.where(RolloutMember.standing == standing)
    return list(session.exec(query.order_by(col(RolloutMember.device_id))))


def members_after(session: Session, rollout_id: str, device_id: str, limit: int) -> list[RolloutMember]:
    """In the order of their devices, from the one after `device_id`."""
    query = select(RolloutMember).where(RolloutMember.rollout_id == rollout_id, RolloutMember.device_id > device_id)
    return list(session.exec(query.order_by(col(RolloutMember.device_id)).limit(limit)))


def tried(session: Session, rollout_id: str, outcomes: Collection[Outcome]) -> list[tuple[RolloutMember, Assignment]]:
    """Members whose newest attempt ended so."""
    query = (
        select(RolloutMember, Assignment)
        .join(Assignment, col(Assignment.id) == col(RolloutMember.assignment_id))
        .where(
            RolloutMember.rollout_id == rollout_id,
            RolloutMember.standing == MEMBER,
            col(Assignment.outcome).in_([outcome.value for outcome in outcomes]),
        )
    )
    return list(session.exec(query))


def memberships(session: Session, device_id: str) -> list[tuple[RolloutMember, Rollout]]:
    """The rollouts that know the device, the newest first."""
    query = (
        select(RolloutMember, Rollout)
        .join(Rollout, col(Rollout.id) == col(RolloutMember.rollout_id))
        .where(RolloutMember.device_id == device_id)
        .order_by(col(Rollout.number).desc())
    )
    return list(session.exec(query))


def decisions(session: Session, rollout_id: str, limit: int = 200, before: int | None = None) -> list[RolloutDecision]:
    """The newest first, below the id `before` if given."""
    query = select(RolloutDecision).where(RolloutDecision.rollout_id == rollout_id)
    if before is not None:
        query = query.where(col(RolloutDecision.id) < before)
    return list(session.exec(query.order_by(col(RolloutDecision.id).desc()).limit(limit)))


@dataclass(frozen=True, slots=True)
class Listed:
    """A member with what of its attempt and its order to go back is in the rollout's counters already."""

    member: MemberFact
    counted: tuple[Ended, ...]


def facts(session: Session, row: Rollout, now: datetime) -> Facts:
    """Read everybody, for views and recounts; the engine itself reads less (`looking.facts`)."""
    down = outages.read(session, now)
    return Facts(
        state=RolloutState(row.state),
        phase=row.phase,
        phases=phase_facts(session, row, phases(session, row.id)),
        members=tuple(each.member for each in listed(session, row, None, now, down)),
        outages=down,
        back=stages.read(row),
    )


def listed(
    session: Session, row: Rollout, device_ids: Sequence[str] | None, now: datetime, down: Outages
) -> list[Listed]:
    """Read members, these or all, in the order in which they have their turn."""
    claims = claims_of(session, row, device_ids)
    of = {"rollout": row.id, "component_of": row.component}
    chunks: list[Sequence[str] | None] = [None]
    if device_ids is None:
        rows = list(session.connection().execute(_members_query(False), of))
    else:
        chunks = [device_ids[i : i + CHUNK] for i in range(0, len(device_ids), CHUNK)]
        query = _members_query(True)
        rows = [r for some in chunks for r in session.connection().execute(query, {**of, "some": some})]
    rows.sort(key=lambda r: (r.m_phase, r.m_place, planner.rank(r.m_device_id, row.salt)))
    asked = row.state == RolloutState.REVERTING.value or policies.parse(row.policy).bars != bars.Bars()
    never = {*row.releases, *(barred(session, row) if asked else ())}
    parted = {device for some in chunks if asked for device in joined.without_way_back(session, row, never, some)}
    heard_since = down.ago(SILENT_AFTER.total_seconds(), now)
    found = [Listed(_member(row, claims, heard_since, (never, parted), r), _counted(r)) for r in rows]
    return _as_sets(session, row, found) if row.companions else found


def _as_sets(session: Session, row: Rollout, found: Sequence[Listed]) -> list[Listed]:
    """Each attempt as far as all its components are."""
    forth, back = (joined.open_parts(session, row, back=way) for way in (False, True))
    return [replace(each, member=_as_set(each.member, forth, back)) for each in found]


def _as_set(
    one: MemberFact, forth: Mapping[str, Sequence[joined.Part]], back: Mapping[str, Sequence[joined.Part]]
) -> MemberFact:
    attempt = joined.as_far(one.attempt, forth.get(one.device, ()))
    return replace(one, attempt=attempt, revert=joined.as_far(one.revert, back.get(one.device, ())))


@functools.cache
def _members_query(some: bool) -> sa.Select[Any]:
    """Columns and not rows of the models: to make four objects a member took most of a tick.

    Built once: to build it anew took longer than to execute it. Parameters: rollout, component_of, and the list `some`.
    """
    attempt, revert = aliased(Assignment), aliased(Assignment)
    columns: list[sa.ColumnElement[Any]] = [
        col(RolloutMember.device_id).label("m_device_id"),
        col(RolloutMember.phase).label("m_phase"),
        col(RolloutMember.place).label("m_place"),
        col(RolloutMember.hw).label("m_hw"),
        col(RolloutMember.site).label("m_site"),
        col(RolloutMember.zone).label("m_zone"),
        col(RolloutMember.tries).label("m_tries"),
        col(RolloutMember.retry_at).label("m_retry_at"),
        col(Device.online).label("d_online"),
        col(Device.revoked_at).label("d_revoked_at"),
        col(Device.last_seen_at).label("d_last_seen_at"),
        col(DeviceComponent.digest).label("digest"),
    ]
    for name, order in (("a", attempt), ("r", revert)):
        columns += [getattr(order, field).label(f"{name}_{field}") for field in ORDER_FIELDS]
    query = (
        sa.select(*columns)
        .select_from(RolloutMember)
        .join(Device, col(Device.id) == col(RolloutMember.device_id))
        .outerjoin(attempt, col(attempt.id) == col(RolloutMember.assignment_id))
        .outerjoin(revert, col(revert.id) == col(RolloutMember.revert_assignment_id))
        .outerjoin(
            DeviceComponent,
            sa.and_(
                col(DeviceComponent.device_id) == Device.id,
                col(DeviceComponent.component) == sa.bindparam("component_of"),
            ),
        )
        .where(col(RolloutMember.rollout_id) == sa.bindparam("rollout"), col(RolloutMember.standing) == MEMBER)
    )
    return query.where(col(RolloutMember.device_id).in_(sa.bindparam("some", expanding=True))) if some else query


def counters(session: Session, component: str) -> dict[str, int]:
    """release → counter, of all releases of the component."""
    query = sa.select(col(Release.id), col(Release.counter)).where(col(Release.component) == component)
    return {row[0]: row[1] for row in session.connection().execute(query)}


def wanted_digests(session: Session, row: Rollout) -> dict[str, tuple[str, int]]:
    """component → digest and counter of what the rollout orders for it."""
    query = sa.select(col(Release.component), col(Release.digest), col(Release.counter))
    found = session.connection().execute(query.where(col(Release.id).in_(row.releases)))
    return {each[0]: (each[1], each[2]) for each in found}


def barred(session: Session, row: Rollout, halted: Collection[str] | None = None) -> dict[str, str]:
    """release → why the rollout sends nobody there; `halted` are digests, by default those of its own list."""
    digests = halting.halted_digests(session) if halted is None else halted
    stopped = sa.select(col(Release.id)).where(col(Release.component).in_(row.components))
    names = set(session.connection().scalars(stopped.where(col(Release.digest).in_(digests)))) if digests else set()
    named, found = policies.parse(row.policy).bars, dict[str, str]()
    for component in row.components:
        found |= bars.barred(named, component, counters(session, component), names)
    return found


def claims_of(session: Session, row: Rollout, among: Sequence[str] | None = None) -> dict[str, str]:
    """device → the younger rollout that wants one of this one's components for itself."""
    claims: dict[str, str] = {}
    for component in reversed(row.components):
        claims |= claims_on(session, component, CLAIMING, younger_than=row.number, among=among)
    return claims


def claims_on(
    session: Session,
    component: str,
    states: Collection[RolloutState],
    younger_than: int = 0,
    among: Sequence[str] | None = None,
) -> dict[str, str]:
    """device → the youngest rollout of the component, in one of the states, that has it as a member."""
    query = (
        sa.select(col(RolloutMember.device_id), col(Rollout.id))
        .join(Rollout, col(Rollout.id) == col(RolloutMember.rollout_id))
        .where(
            queries.orders(Rollout, component, queries.named(component)),
            col(Rollout.state).in_(queries.values(states)),
            col(Rollout.number) > younger_than,
            col(RolloutMember.standing) == MEMBER,
        )
        .order_by(col(Rollout.number))
    )
    if among is None:
        return {row[0]: row[1] for row in session.connection().execute(query)}
    found: dict[str, str] = {}
    for start in range(0, len(among), CHUNK):
        some = query.where(col(RolloutMember.device_id).in_(among[start : start + CHUNK]))
        found |= {row[0]: row[1] for row in session.connection().execute(some)}
    return found


def _member(
    row: Rollout,
    claims: Mapping[str, str],
    heard_since: datetime,
    barred: tuple[Collection[str], Collection[str]],
    read: sa.Row[Any],
) -> MemberFact:
    """`barred`: releases that nobody goes back to, and devices of which a companion could not go back."""
    never, parted = barred
    revoked = read.d_revoked_at is not None
    heard = read.d_last_seen_at is not None and read.d_last_seen_at > heard_since
    return MemberFact(
        device=read.m_device_id,
        hw=read.m_hw,
        phase=read.m_phase or 0,
        # A broker that died published no last will: who says online and is not heard is not.
        online=read.d_online and heard and not revoked,
        last_seen_at=read.d_last_seen_at,
        attempt=_attempt(read, "a"),
        revert=_attempt(read, "r"),
        has_previous=not revoked
        and read.a_previous_release_id not in (None, *never)
        and read.m_device_id not in parted,
        runs_release=read.digest == row.digest,
        claimed_by=claims.get(read.m_device_id),
        site=read.m_site,
        zone=read.m_zone,
        tries=read.m_tries,
        retry_at=read.m_retry_at,
    )


def _attempt(read: sa.Row[Any], name: str) -> AttemptFact | None:
    if getattr(read, f"{name}_state") is None:
        return None
    values = {field: getattr(read, f"{name}_{field}") for field in ORDER_FIELDS}
    return AttemptFact(
        state=AttemptState(values["state"]),
        offered_at=values["offered_at"],
        state_at=values["state_at"],
        phase=values["phase"] or 0,
        outcome=Outcome(values["outcome"]) if values["outcome"] else None,
        ended_at=values["ended_at"],
        activate=values["activate"],
        reason=values["reason"],
        strayed_at=values["strayed_at"],
        windows_until=min((_last(values[n]) for n in ("windows", "download_windows") if values[n]), default=None),
        full=bool(values["full"]),
        vacated_at=values["vacated_at"],
        unsigned=values["unsigned"],
    )


def _last(windows: Sequence[Sequence[str]]) -> datetime:
    return datetime.fromisoformat(windows[-1][1])


def _counted(read: sa.Row[Any]) -> tuple[Ended, ...]:
    found = []
    for name, revert in (("a", False), ("r", True)):
        if outcome := getattr(read, f"{name}_tallied"):
            phase, at = getattr(read, f"{name}_phase") or 0, getattr(read, f"{name}_tallied_at")
            found.append(Ended(phase, Outcome(outcome), at, revert))
    return tuple(found)


def phase_facts(session: Session, row: Rollout, rows: Sequence[RolloutPhase]) -> tuple[PhaseFact, ...]:
    asked = [phase.approval for phase in policies.parse(row.policy).phases]
    said = votes(session, row.id) if any(asked) else {}
    approved = {i for i, a in enumerate(asked) if a is not None and not missing(a, said.get(i, set()))}
    return tuple(_phase_fact(phase, phase.index in approved) for phase in rows)


def _phase_fact(row: RolloutPhase, approved: bool) -> PhaseFact:
    return PhaseFact(
        approved=approved,
        state=PhaseState(row.state),
        waiting_since=row.waiting_since,
        baking_at=row.baking_at,
        acknowledged=row.acknowledged,
        looks=row.looks,
        began_at=row.began_at,
        activated_at=row.activated_at,
        proved=row.state == PhaseState.PASSED.value and row.verdict == Verdict.PASS.value,
    )
