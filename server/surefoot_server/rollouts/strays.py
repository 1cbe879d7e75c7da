"""Members that committed the release and run something else since: reflashed, or updated from a medium. Pure.

Promises: each is noticed once and decided once, with its reason: it has its turn again, or is let be because it runs a
newer release, a younger rollout wants it, or it came back with something else too often. Who said that it fell back
has reverted, and is judged by that: here it is left alone. Source: DESIGN §8.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from surefoot_server.rollouts.decisions import Reconcile
from surefoot_server.rollouts.facts import AttemptFact, Facts, MemberFact
from surefoot_shared.status import Intent, Outcome

STRAYED = "strayed"
"""In a member's tries: how often it had its turn again for that."""
SETTLE_S = 120.0
"""A device says hello first and then what it kept: that it fell back must have had time to come."""
MOST = 3
"""A device that forgets the release at every start is not updated at every start."""


def strays(facts: Facts, intent: Intent, now: datetime) -> Iterator[Reconcile]:
    """Decide about everyone who was heard to run something else for long enough."""
    for member in facts.members:
        attempt = member.attempt
        if attempt is None or attempt.strayed_at is None or attempt.outcome is not Outcome.COMMITTED:
            continue
        if member.revert is None and facts.outages.elapsed_s(attempt.strayed_at, now) >= SETTLE_S:
            yield _decide(member, attempt, intent)


def _decide(member: MemberFact, attempt: AttemptFact, intent: Intent) -> Reconcile:
    since = f"{attempt.strayed_at:%Y-%m-%d %H:%M} UTC" if attempt.strayed_at else ""
    if member.runs_release:
        return Reconcile(member.device, f"it ran something else from {since}, and runs the release again", again=False)
    seen = f"it committed the release and runs something else since {since}"
    if member.claimed_by is not None:
        return Reconcile(member.device, f"{seen}, and rollout {member.claimed_by} wants something newer", again=False)
    if member.runs_newer and intent is not Intent.DOWNGRADE:
        return Reconcile(member.device, f"{seen}: a newer release, which it keeps", again=False)
    if member.tries.get(STRAYED, 0) >= MOST:
        return Reconcile(member.device, f"{seen}, for the {MOST + 1}th time: look at it", again=False)
    return Reconcile(member.device, f"{seen}; it has its turn again", again=True)
