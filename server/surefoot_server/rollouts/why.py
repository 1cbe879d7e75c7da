"""Why a device has not been offered anything yet, or staged it and does not switch, in one sentence; pure reading.

Promises: names the rollout, the phase and what that phase or the rollout waits for, from the engine's own facts.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlmodel import Session, col, select

from surefoot_server.devices.models import Assignment
from surefoot_server.devices.unsigned import NOT_SIGNED
from surefoot_server.rollouts import looking, repository, retries, strays, switching
from surefoot_server.rollouts import policy as policies
from surefoot_server.rollouts.facts import Watch
from surefoot_server.rollouts.models import Rollout, RolloutMember
from surefoot_shared.status import AttemptState, RolloutState


def waiting(
    session: Session,
    device_id: str,
    component: str,
    now: datetime,
    unsignable: Callable[[Rollout], str] = lambda _: "",
) -> str | None:
    """Answer from the component's newest rollout that counts; None where none has the device or it was offered."""
    for member, row in repository.memberships(session, device_id):
        state = RolloutState(row.state)
        if component not in row.components or state not in repository.CLAIMING:
            continue
        if member.standing == repository.EXCLUDED and state in repository.AT_WORK:
            return f"rollout {row.id} of {row.named} leaves it out: {member.reason}"
        if member.standing == repository.MEMBER:
            return (
                _why_staged(session, member, row, now)
                if member.assignment_id
                else _why_waiting(session, member, row, now, unsignable(row))
            )
    return None


def _why_staged(session: Session, member: RolloutMember, row: Rollout, now: datetime) -> str | None:
    """For a device that has it in its other slot, or no room for it, and was not told to switch; None for any other."""
    known = session.get(Assignment, member.assignment_id)
    if known is None or not known.open or known.activate:
        return None
    if known.state != AttemptState.STAGED.value and not known.full:
        return None
    if row.state not in (RolloutState.RUNNING.value, RolloutState.SUCCEEDED.value):
        return f"rollout {row.id} is {row.state}"
    policy = policies.parse(row.policy)
    facts = looking.facts(session, row, policy, now)
    mine = next((m for m in facts.members if m.device == member.device_id), None)
    index = min(row.phase, len(facts.phases) - 1)
    watch = Watch(facts, now, policy.timeouts.asleep_after_s)
    if mine is None or mine.attempt is None or not mine.attempt.ready:
        return None  # another component of its set is not that far
    return switching.why_staged(policy, watch, index, mine)


def _why_waiting(session: Session, member: RolloutMember, row: Rollout, now: datetime, unsigned: str) -> str:
    phases = repository.phases(session, row.id)
    mine = phases[member.phase or 0]
    which = f"rollout {row.id} of {row.named}"
    if row.state not in (RolloutState.RUNNING.value, RolloutState.SUCCEEDED.value):
        return f"{which} is {row.state} ({row.reason}) and it is in phase {mine.name}"
    if unsigned:
        return f"{which} orders nothing while the server cannot sign orders: {unsigned}"
    if member.retry_at is not None:
        when = f"at {member.retry_at:%Y-%m-%d %H:%M} UTC" if member.retry_at > now else "with the next look"
        if why := _not_signed(session, member):
            return f"its order by {which} could not be signed ({why}) and is given again {when}"
        return f"its next try of {which} begins {when}; so far it was tried again {retries.words(member.tries)}"
    if member.tries.get(strays.STRAYED):
        return f"it had committed {row.named} and ran something else since, so rollout {row.id} offers it again"
    if row.phase > mine.index:
        return f"it slept when phase {mine.name} of {which} was open and gets it once it is back online"
    if row.phase == mine.index:
        return f"phase {mine.name} of {which} is {mine.state} and has not offered to it yet"
    current = phases[row.phase]
    return f"it is in phase {mine.name} of {which}, which is at {current.name} ({current.state})"


def _not_signed(session: Session, member: RolloutMember) -> str:
    """Why the newest order of the rollout could not be signed, "" where it could."""
    query = select(Assignment).where(
        Assignment.device_id == member.device_id, Assignment.rollout_id == member.rollout_id
    )
    newest = session.exec(query.order_by(col(Assignment.seq).desc()).limit(1)).first()
    return newest.message if newest is not None and newest.reason == NOT_SIGNED else ""
