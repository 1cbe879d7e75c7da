"""What people do to a rollout beyond stopping it: approve, reject, retry, and go on after a stop.

Promises: works in the caller's transaction along the state tables and notes who did it and why; the caller owns the
rollout and lets the engine look afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from surefoot_server.access import users
from surefoot_server.access.roles import Principal
from surefoot_server.rollouts import approvals, counting, looking, repository, turns
from surefoot_server.rollouts.apply import change_phase, change_rollout, note
from surefoot_server.rollouts.approvals import Approval
from surefoot_server.rollouts.facts import Watch
from surefoot_server.rollouts.models import RolloutApproval, RolloutPhase
from surefoot_server.rollouts.table import PhaseEvent, RolloutEvent
from surefoot_server.rollouts.transaction import Transaction
from surefoot_shared.errors import Conflict
from surefoot_shared.status import Outcome, PhaseState, RolloutState, Verdict

RETRIED = (Outcome.FAILED, Outcome.REVERTED, Outcome.REFUSED, Outcome.LOST, Outcome.CANCELLED)
"""Ends of an attempt after which `retry` lets a device have its turn again."""


def approve(tx: Transaction, who: Principal, reason: str) -> None:
    """Count a yes; the last one needed lets it go on. Raises Conflict, NotAllowed."""
    index, approval = _asked(tx)
    names = repository.votes(tx.session, tx.rollout.id).get(index, set())
    voted = {users.person_of(tx.session, name) for name in names}
    approvals.check(approval, who, users.person_of(tx.session, tx.rollout.created_by), voted)
    tx.session.add(RolloutApproval(rollout_id=tx.rollout.id, phase=index, actor=who.name, at=tx.now, reason=reason))
    left = approvals.missing(approval, voted | {who.identity})
    told = _told(f"approved by {who.name}", reason)
    note(tx, who.name, "approve", told, max(index, 0), detail={"left": left})
    if left:
        tx.rollout.reason = f"{told}; {left} more needed"
        tx.session.add(tx.rollout)
    else:
        change_rollout(tx, RolloutEvent.APPROVE, told)
    tx.session.flush()


def reject(tx: Transaction, who: Principal, reason: str) -> None:
    """One no of somebody who might have said yes cancels the rollout; whoever started it may say no too."""
    index, approval = _asked(tx)
    approvals.check(approval, who, "", ())
    told = _told(f"rejected by {who.name}", reason)
    change_rollout(tx, RolloutEvent.REJECT, told)
    note(tx, who.name, "reject", told, max(index, 0))


def retry(tx: Transaction, actor: str, reason: str, devices: Collection[str]) -> None:
    """Let devices whose attempt ended badly have their turn again, all or these."""
    row, was = tx.rollout, RolloutState(tx.rollout.state)
    counting.settle(tx.session, row, tx.policy)
    again = offer_again(tx, RETRIED, devices)
    if not again:
        raise Conflict("conflict", f"No such device of rollout {row.id} failed, reverted, refused or was lost.")
    told = _told(f"retry of {len(again)} by {actor}", reason)
    change_rollout(tx, RolloutEvent.RETRY, told)
    note(tx, actor, "retry", told, row.phase, detail={"was": was.value, "devices": again})
    if was is RolloutState.HELD:
        pick_up(tx, was)


def pick_up(tx: Transaction, was: RolloutState) -> None:
    """What was seen is acknowledged, waiting begins anew, and what a halt withdrew has its turn again."""
    row = tx.rollout
    if was is RolloutState.HALTED:
        row.halts_digest = False
        offer_again(tx, (Outcome.CANCELLED,))
    if was is RolloutState.PAUSED or row.phase >= len(tx.policy.phases):
        return
    phase = tx.phase(row.phase)
    if phase.state == PhaseState.HELD.value:
        change_phase(tx, row.phase, PhaseEvent.RESUME, "a person let it go on")
    if phase.waiting_since is not None:
        facts = looking.facts(tx.session, row, tx.policy, tx.now)
        counts = Watch(facts, tx.now, tx.policy.timeouts.asleep_after_s).counts(row.phase)
        metrics = {*(o.metric.value for o in tx.policy.gate.objectives), Outcome.REFUSED.value}
        held = {m["key"]: 1 for m in phase.evidence.get("metrics", ()) if m["verdict"] == Verdict.HOLD.value}
        earlier = {o.key: 1 for o in tx.policy.gate.metrics if o.key in phase.acknowledged}
        phase.acknowledged = {m: n for m in sorted(metrics) if (n := counts.of(Outcome(m)))} | earlier | held
        phase.waiting_since = tx.now
        tx.session.add(phase)


def waiting_for_approval(state: RolloutState, phase: int, phases: Sequence[RolloutPhase]) -> int | None:
    """WHOLE, the index of a phase, or None where nothing waits for an approval."""
    if state is RolloutState.AWAITING_APPROVAL:
        return repository.WHOLE
    if state is not RolloutState.HELD or phase >= len(phases):
        return None
    return phase if phases[phase].state == PhaseState.AWAITING_APPROVAL.value else None


def offer_again(tx: Transaction, outcomes: Collection[Outcome], only: Collection[str] = ()) -> list[str]:
    """Whoever's attempt ended so has its turn again; its old attempt counts nowhere any more."""
    again = [
        (member, attempt)
        for member, attempt in repository.tried(tx.session, tx.rollout.id, outcomes)
        if not only or member.device_id in only
    ]
    turns.anew(tx.session, tx.rollout, again)
    for member, _ in again:
        member.tries, member.retry_at = {}, None
    return [member.device_id for member, _ in again]


def _asked(tx: Transaction) -> tuple[int, Approval]:
    """What waits for an approval: WHOLE or the index of the phase; raises Conflict where nothing does."""
    row = tx.rollout
    index = waiting_for_approval(RolloutState(row.state), row.phase, repository.phases(tx.session, row.id))
    asked = None if index is None else tx.policy.approval if index < 0 else tx.policy.phases[index].approval
    if index is None or asked is None:
        raise Conflict("conflict", f"Nothing of rollout {row.id} waits for an approval; it is {row.state}.")
    return index, asked


def _told(what: str, reason: str) -> str:
    return what + (f": {reason}" if reason else "")
