"""Let devices of a rollout have their turn again: their old attempts count nowhere any more.

Promises: works in the caller's transaction; what a person acknowledged is never more than what still counts, so that
a failure which comes anew is seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session

from surefoot_server.devices.models import Assignment
from surefoot_server.rollouts import counting, repository
from surefoot_server.rollouts.models import Rollout, RolloutMember
from surefoot_shared.status import Outcome

COUNTED = frozenset(outcome.value for outcome in Outcome)


def anew(session: Session, row: Rollout, tried: Sequence[tuple[RolloutMember, Assignment]]) -> None:
    """Set their attempts aside; the rollout's own counters follow."""
    counting.forget(session, row, [attempt for _, attempt in tried])
    backs = [session.get(Assignment, m.revert_assignment_id) for m, _ in tried if m.revert_assignment_id]
    counting.forget(session, row, [order for order in backs if order is not None])
    for member, _ in tried:
        member.assignment_id = member.revert_assignment_id = None
        session.add(member)
    for phase in repository.phases(session, row.id):
        known = {m: min(n, phase.tally[m]) for m, n in phase.acknowledged.items() if m in phase.tally}
        others = {m: n for m, n in phase.acknowledged.items() if m not in COUNTED}
        if known | others != phase.acknowledged:
            phase.acknowledged = known | others
            session.add(phase)
    session.flush()
