"""Why a device has not been offered anything yet, in one sentence; pure reading.

Promises: names the rollout, the phase and what that phase or the rollout waits for.
"""

from __future__ import annotations

from sqlmodel import Session

from surefoot_server.rollouts import repository
from surefoot_server.rollouts.models import Rollout, RolloutMember
from surefoot_shared.status import RolloutState


def waiting(session: Session, device_id: str) -> str | None:
    """Answer from the newest rollout that counts; None where none has the device or it was offered already."""
    for member, row in repository.memberships(session, device_id):
        state = RolloutState(row.state)
        if state not in repository.CLAIMING:
            continue
        if member.standing == repository.EXCLUDED and state in repository.AT_WORK:
            return f"rollout {row.id} of {row.release_id} leaves it out: {member.reason}"
        if member.standing == repository.MEMBER:
            return None if member.assignment_id else _why_waiting(session, member, row)
    return None


def _why_waiting(session: Session, member: RolloutMember, row: Rollout) -> str:
    phases = repository.phases(session, row.id)
    mine = phases[member.phase or 0]
    which = f"rollout {row.id} of {row.release_id}"
    if row.state not in (RolloutState.RUNNING.value, RolloutState.SUCCEEDED.value):
        return f"{which} is {row.state} ({row.reason}) and it is in phase {mine.name}"
    if row.phase > mine.index:
        return f"it slept when phase {mine.name} of {which} was open and gets it once it is back online"
    if row.phase == mine.index:
        return f"phase {mine.name} of {which} is {mine.state} and has not offered to it yet"
    now = phases[row.phase]
    return f"it is in phase {mine.name} of {which}, which is at {now.name} ({now.state})"
