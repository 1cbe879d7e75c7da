"""What the engine looks at: the members about whom something may be to decide, and counters for all others.

Promises: the same decisions as from everybody, at the price of what is open, what changed and whom to offer next; the
counters are brought up to date in the caller's write transaction and equal a recount. Refuses to decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from surefoot_server.devices.models import (
    FAILED,
    STRAYED,
    UNTALLIED,
    VACATED,
    Assignment,
    DeviceComponent,
)
from surefoot_server.devices.why import SILENT_AFTER
from surefoot_server.releases.models import Release
from surefoot_server.rollouts import outages, owing, queries, repository, stages, switching, taken, taking_back, tally
from surefoot_server.rollouts.facts import Facts, MemberFact, Others, Outages, Watch
from surefoot_server.rollouts.models import BACKING_OFF, WAITING, Rollout, RolloutMember, RolloutPhase
from surefoot_server.rollouts.policy import Policy
from surefoot_shared.status import RolloutState

AT_ONCE = 500
"""Devices that are offered something within one transaction; the rest have their turn at the next look."""
OFFERING = frozenset({RolloutState.RUNNING.value, RolloutState.SUCCEEDED.value})
OPEN, LOST = "open", "outcome = 'lost'"
"""Attempts that go on, and those of devices that use up the budget of their site until they are back."""


def facts(session: Session, row: Rollout, policy: Policy, now: datetime, awake_since: datetime | None = None) -> Facts:
    """Read what the engine has to know. `awake_since`: of those that wait, only who said hello since is looked at."""
    down = outages.read(session, now)
    ids = dict.fromkeys([*_tried(session, row.id, OPEN), *_tried(session, row.id, UNTALLIED)])
    if row.state == RolloutState.REVERTING.value:
        ids |= dict.fromkeys(owing.devices(session, row, AT_ONCE))
    if policy.recreate is not None:
        ids |= dict.fromkeys(_with_nothing(session, row.id))
    if policy.orders_switch:
        ids |= dict.fromkeys(_tried(session, row.id, LOST))
    strayed = _strayed(session, row) if row.state in OFFERING else []
    ids |= dict.fromkeys([*strayed, *_failed(session, row, policy), *_backing_off(session, row)])
    known = _with_newer(session, row, repository.listed(session, row, list(ids), now, down), strayed)
    found = _facts(session, row, policy, known, down)
    if row.state not in OFFERING:
        return found
    watch = Watch(found, now, policy.timeouts.asleep_after_s)
    free = policy.max_concurrent - switching.at_work(policy, watch)
    waiting = _waiting(session, row, down, now, max(1, min(free, AT_ONCE)), awake_since)
    more = repository.listed(session, row, [one for one in waiting if one not in ids], now, down)
    found = _facts(session, row, policy, [*known, *more], down) if more else found
    return found if awake_since else _with_taken(session, row, replace(watch, facts=found))


def _facts(session: Session, row: Rollout, policy: Policy, listed: Sequence[repository.Listed], down: Outages) -> Facts:
    phases = repository.phases(session, row.id)
    whole, ended = _without(row, phases, listed)
    places = Counter(each.member.phase for each in listed)
    return Facts(
        state=RolloutState(row.state),
        phase=row.phase,
        phases=tuple(
            replace(fact, others=p.members - places[p.index], ended=tally.outcomes(e))
            for fact, p, e in zip(repository.phase_facts(session, row, phases), phases, ended, strict=True)
        ),
        members=tuple(each.member for each in listed),
        outages=down,
        back=stages.read(row),
        others=_others(session, row, policy, len(phases), whole, [each.member for each in listed]),
    )


def _with_taken(session: Session, row: Rollout, watch: Watch) -> Facts:
    """Where a phase has nobody left to wait for: who has its devices now."""
    found, index = watch.facts, row.phase
    if found.state is not RolloutState.RUNNING or index >= len(found.phases) or not found.phases[index].others:
        return found
    asked = {"rollout": row.id, "of_phase": index, **queries.claims(row)}
    if not taken.may_be(watch, index) or session.connection().scalar(queries.free(len(row.components)), asked):
        return found
    listed = {m.device for m in found.members}
    gone = [one for one in session.connection().scalars(queries.gone(), asked) if one not in listed]
    claims = repository.claims_of(session, row, gone)
    holders = Counter(claims.get(device, taken.NOBODY) for device in gone)
    phases = tuple(replace(p, taken=holders) if i == index else p for i, p in enumerate(found.phases))
    return replace(found, phases=phases)


def _tried(session: Session, rollout_id: str, which: str) -> list[str]:
    """Devices of which an attempt is so."""
    return list(session.connection().scalars(queries.tried(which), {"rollout": rollout_id}))


def _with_nothing(session: Session, rollout_id: str) -> list[str]:
    """They gave up their release, and the attempt has ended: the one before may have to be ordered."""
    query = sa.select(col(Assignment.device_id)).where(
        col(Assignment.rollout_id) == rollout_id, sa.text(VACATED), col(Assignment.id) == _of_member()
    )
    return list(session.connection().scalars(query))


def _of_member() -> sa.ScalarSelect[Any]:
    """The update of a member that was not ordered back."""
    mine = sa.select(col(RolloutMember.assignment_id)).where(
        col(RolloutMember.rollout_id) == Assignment.rollout_id,
        col(RolloutMember.device_id) == Assignment.device_id,
        col(RolloutMember.standing) == repository.MEMBER,
        col(RolloutMember.revert_assignment_id).is_(None),
    )
    return mine.scalar_subquery()


def _failed(session: Session, row: Rollout, policy: Policy) -> list[str]:
    """Those whose attempt ended so that there may be another try; few, or the gate has stopped the rollout."""
    query = (
        sa.select(col(RolloutMember.device_id))
        .join(Assignment, col(Assignment.id) == col(RolloutMember.assignment_id))
        .where(col(Assignment.rollout_id) == row.id, sa.text(FAILED), col(Assignment.reason).in_(policy.retry.kinds))
    )
    return list(session.connection().scalars(query))


def _strayed(session: Session, row: Rollout) -> list[str]:
    query = sa.select(col(Assignment.device_id)).where(col(Assignment.rollout_id) == row.id, sa.text(STRAYED))
    query = query.limit(repository.CHUNK)  # the others have their turn at the next look
    return list(session.connection().scalars(query))


def _with_newer(
    session: Session, row: Rollout, listed: Sequence[repository.Listed], strayed: Sequence[str]
) -> list[repository.Listed]:
    """Of those that strayed it matters whether what they run is newer, and of a set whether all of it runs."""
    if not strayed:
        return list(listed)
    ran = {component: _ran(session, component, strayed) for component in row.components}
    wanted = repository.wanted_digests(session, row)

    def told(each: repository.Listed) -> repository.Listed:
        device = each.member.device
        if device not in strayed:
            return each
        runs = [(ran[component].get(device, (None, None)), want) for component, want in wanted.items()]
        whole = all(digest == want for (digest, _), (want, _) in runs)
        newer = any(counter is not None and counter > mine for (_, counter), (_, mine) in runs)
        return replace(each, member=replace(each.member, runs_release=whole, runs_newer=newer))

    return [told(each) for each in listed]


def _ran(session: Session, component: str, devices: Sequence[str]) -> dict[str, tuple[str | None, int | None]]:
    """device → the digest that runs, and its release's counter where the server knows that release."""
    query = (
        sa.select(col(DeviceComponent.device_id), col(DeviceComponent.digest), col(Release.counter))
        .outerjoin(Release, col(Release.id) == col(DeviceComponent.release_id))
        .where(col(DeviceComponent.component) == component, col(DeviceComponent.device_id).in_(devices))
    )
    return {row[0]: (row[1], row[2]) for row in session.connection().execute(query)}


def _backing_off(session: Session, row: Rollout) -> list[str]:
    query = sa.select(col(RolloutMember.device_id)).where(
        col(RolloutMember.rollout_id) == row.id, sa.text(BACKING_OFF), col(RolloutMember.standing) == repository.MEMBER
    )
    return list(session.connection().scalars(query))


def _waiting(
    session: Session, row: Rollout, down: Outages, now: datetime, limit: int, awake_since: datetime | None
) -> list[str]:
    """Those whose turn is next: connected, of a phase that is or was open, and wanted by no younger rollout."""
    asked: dict[str, Any] = {"rollout": row.id, "open_phase": row.phase, "most": limit, **queries.claims(row)}
    asked["heard_since"] = down.ago(SILENT_AFTER.total_seconds(), now)
    if awake_since is not None:
        asked["awake_since"] = awake_since
    return list(session.connection().scalars(queries.waiting(awake_since is not None, len(row.components)), asked))


def _without(
    row: Rollout, phases: Sequence[RolloutPhase], listed: Sequence[repository.Listed]
) -> tuple[dict[str, int], list[dict[str, int]]]:
    """The counters without those who are listed, so that nobody counts twice."""
    begun, whole, counters = [p.began_at for p in phases], dict(row.tally), [dict(p.tally) for p in phases]
    for each in listed:
        for counted in each.counted:
            tally.count(whole, counters, begun, counted, -1)
    return whole, counters


def _others(
    session: Session, row: Rollout, policy: Policy, phases: int, whole: dict[str, int], members: Sequence[MemberFact]
) -> Others:
    """What is told at the very end is counted at the very end."""
    waiting = claimed = awake = kept = 0
    if row.state == RolloutState.RUNNING.value and row.phase >= phases:
        waiting = count_waiting(session, row) - sum(1 for m in members if m.waiting)
        claimed = _count_claimed(session, row) - sum(1 for m in members if m.attempt is None and m.claimed_by)
    if row.state == RolloutState.REVERTING.value:
        awake = _awake_to_go_back(session, row, policy, members)
        kept = _kept(session, row, members)
    return Others(tally.outcomes(whole), tally.outcomes(whole, reverts=True), waiting, awake, kept, claimed)


def _awake_to_go_back(session: Session, row: Rollout, policy: Policy, members: Sequence[MemberFact]) -> int:
    """Those of a large fleet that are not listed, since only so many are ordered at once; asked where it matters."""
    listed = sum(1 for m in members if taking_back.must_go_back(m))
    if listed < AT_ONCE or not taking_back.goes_in_shares(policy, stages.read(row)):
        return 0
    return max(0, owing.count_awake(session, row) - listed)


def _kept(session: Session, row: Rollout, members: Sequence[MemberFact]) -> int:
    """Those that keep it, once nobody is left to send back and nobody awake is at it."""
    at_it = (m.online and any(a is not None and a.outcome is None for a in (m.attempt, m.revert)) for m in members)
    if any(at_it) or any(taking_back.must_go_back(m) for m in members):
        return 0
    return owing.count_kept(session, row) - sum(1 for m in members if m.runs_release and not m.has_previous)


def count_waiting(session: Session, row: Rollout) -> int:
    query = sa.select(sa.func.count()).select_from(RolloutMember)
    query = query.where(
        col(RolloutMember.rollout_id) == row.id, sa.text(WAITING), ~queries.claimed(len(row.components))
    )
    return session.connection().scalar(query, queries.claims(row)) or 0


def _count_claimed(session: Session, row: Rollout) -> int:
    query = sa.select(sa.func.count()).select_from(RolloutMember)
    query = query.where(col(RolloutMember.rollout_id) == row.id, sa.text(WAITING), queries.claimed(len(row.components)))
    return session.connection().scalar(query, queries.claims(row)) or 0
