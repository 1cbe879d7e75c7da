"""Write decisions about single devices down: what is wanted of each, and that it is wanted no more.

Promises: works in the caller's transaction; a device that does not fit any more leaves the rollout, and all others go
on. Refuses to decide anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from surefoot_server.devices import sets
from surefoot_server.devices.models import Assignment, DeviceComponent
from surefoot_server.devices.terms import Terms
from surefoot_server.devices.unsigned import NOT_SIGNED
from surefoot_server.rollouts import companions, counting, planner, repository, retries, strays, turns
from surefoot_server.rollouts.decisions import (
    Activate,
    Lose,
    Offer,
    Recall,
    Reconcile,
    Renew,
    Retry,
    SendBack,
    TimeOut,
    Withdraw,
)
from surefoot_server.rollouts.models import RolloutMember
from surefoot_server.rollouts.transaction import Transaction
from surefoot_server.rollouts.windows import intervals
from surefoot_shared.errors import Conflict
from surefoot_shared.status import Intent, Outcome


def order(
    tx: Transaction,
    decision: Offer | Activate | Renew | Lose | TimeOut | Retry | Recall | Reconcile | Withdraw | SendBack,
) -> dict[str, Any]:
    """Do what the decision says; returns facts for its record that only the doing brought to light."""
    member = tx.member(decision.device)
    try:
        match decision:
            case Offer(_, index, _, activate):
                _check_origin(tx, member)
                terms, member.retry_at = _terms(tx, member, activate), None
                member.assignment_id = _offer(tx, member, index, terms).id
            case Activate(_, _, order) | Renew(_, _, order):
                _renew(tx, member, order, activate=isinstance(decision, Activate))
                if isinstance(decision, Activate) and order == "update":
                    _goes_on(tx)
            case SendBack(_, _, activate):
                return _send_back(tx, member, activate)
            case Lose(_, _, order):
                _end(tx, member, order, Outcome.LOST, "lost")
            case TimeOut(_, _, order):
                _end(tx, member, order, Outcome.FAILED, "step_timeout")
            case Retry():
                return _try_again(tx, member, decision)
            case Recall(_, _, failure, wait_s):
                return _recall(tx, member, failure, wait_s)
            case Reconcile(_, _, again):
                return _reconcile(tx, member, again)
            case Withdraw():
                _end(tx, member, "update", Outcome.CANCELLED, "cancelled_by_order")
    except Conflict as error:
        # The device was revoked or re-enrolled as other hardware since the plan: it leaves, and everyone else goes on.
        _exclude(tx, member, error.message)
        return {"excluded": error.message}
    finally:
        tx.session.add(member)
    return {"assignment": member.assignment_id}


def _offer(tx: Transaction, member: RolloutMember, phase: int, terms: Terms) -> Assignment:
    """Want the release and what goes with it. What this rollout gave it before is of its set again, and still leads
    back to what ran before that."""
    before = companions.before(tx.session, tx.rollout, member.device_id) if tx.rollout.companions else {}
    wanted = [tx.rollout.release_id, *companions.missing(tx.session, tx.rollout, member.device_id, before)]
    wish = _assign(tx, member, wanted, tx.policy.intent, phase, terms)
    for row in (wish, *sets.others(tx.session, wish)):
        if row.previous_release_id == row.release_id and row.component in before:
            row.previous_release_id = before[row.component]
            tx.session.add(row)
    return wish


def _try_again(tx: Transaction, member: RolloutMember, decision: Retry) -> dict[str, Any]:
    failed = tx.session.get(Assignment, member.assignment_id)
    assert failed is not None
    turns.anew(tx.session, tx.rollout, [(member, failed)])
    member.tries = retries.counted(member.tries, decision.failure)
    member.retry_at = tx.now + timedelta(seconds=decision.wait_s)
    return {"failed": failed.id, "kind": failed.reason}


def _recall(tx: Transaction, member: RolloutMember, failure: str, wait_s: float) -> dict[str, Any]:
    untold = tx.session.get(Assignment, member.assignment_id)
    assert untold is not None
    tx.orders.withdraw(tx.session, untold.id, Outcome.CANCELLED, NOT_SIGNED, tx.now)
    untold.message = untold.unsigned or ""
    turns.anew(tx.session, tx.rollout, [(member, untold)])
    member.tries, member.retry_at = retries.counted(member.tries, failure), tx.now + timedelta(seconds=wait_s)
    return {"withdrawn": untold.id}


def _reconcile(tx: Transaction, member: RolloutMember, again: bool) -> dict[str, Any]:
    strayed = tx.session.get(Assignment, member.assignment_id)
    assert strayed is not None
    strayed.strayed_at = None
    tx.session.add(strayed)
    if again:
        turns.anew(tx.session, tx.rollout, [(member, strayed)])
        member.tries, member.retry_at = retries.counted(member.tries, strays.STRAYED), None
    return {"committed": strayed.id}


def _check_origin(tx: Transaction, member: RolloutMember) -> None:
    """What it runs may be older than when the rollout was planned: it was reflashed, or fell back."""
    for component in tx.rollout.components:
        origin = tx.policy.bars.origin(component)
        if origin is None:
            continue
        counters = repository.counters(tx.session, component)
        runs = tx.session.get(DeviceComponent, (member.device_id, component))
        counter = counters.get(runs.release_id or "") if runs is not None else None
        if why := planner.too_old(counter, (origin, counters[origin])):
            raise Conflict("conflict", f"{member.device_id} is left out: {why}.")


def _exclude(tx: Transaction, member: RolloutMember, reason: str) -> None:
    """The device counts nowhere in the rollout from now on."""
    orders = [tx.session.get(Assignment, key) for key in (member.assignment_id, member.revert_assignment_id) if key]
    counting.forget(tx.session, tx.rollout, [order for order in orders if order is not None])
    member.standing, member.reason = repository.EXCLUDED, reason
    if member.phase is not None:
        row = tx.phase(member.phase)
        row.members -= 1
        tx.session.add(row)


def _assign(
    tx: Transaction, member: RolloutMember, releases: Sequence[str], intent: Intent, phase: int | None, terms: Terms
) -> Assignment:
    """Want these of it, as one; the first speaks for all."""
    whose = (tx.rollout.id, phase)
    return tx.orders.assign_set(tx.session, member.device_id, releases, intent, tx.now, whose, terms)[0]


def _goes_on(tx: Transaction) -> None:
    """The phase waits anew: a device had its turn."""
    if tx.rollout.phase < len(tx.policy.phases):
        row = tx.phase(tx.rollout.phase)
        row.waiting_since = tx.now if row.waiting_since else None
        tx.session.add(row)


def _terms(tx: Transaction, member: RolloutMember, activate: bool) -> Terms:
    limits, shadow = tx.policy.limits, tx.policy.shadow
    return Terms(
        activate=activate,
        windows=() if shadow else intervals(limits.window, limits.freeze, member.zone, tx.now),
        download_windows=intervals(limits.download_window, (), member.zone, tx.now),
        pool_bytes_per_s=limits.pool_bytes_per_s,
        recreate=tx.policy.recreate is not None,
        shadow=shadow.terms if shadow else None,
    )


def _renew(tx: Transaction, member: RolloutMember, order: str, *, activate: bool) -> None:
    """Going back waits for no window."""
    if order == "revert":
        assert member.revert_assignment_id is not None
        tx.orders.renew(tx.session, member.revert_assignment_id, Terms(activate=activate))
        return
    assert member.assignment_id is not None
    known = tx.session.get(Assignment, member.assignment_id)
    assert known is not None
    tx.orders.renew(tx.session, known.id, _terms(tx, member, activate or known.activate))


def _send_back(tx: Transaction, member: RolloutMember, activate: bool) -> dict[str, Any]:
    """Want the release that ran when this one was offered; the engine asks only where the server knows it."""
    assert member.assignment_id is not None
    tried = tx.session.get(Assignment, member.assignment_id)
    assert tried is not None
    assert tried.previous_release_id is not None
    terms = Terms(activate=activate, recreate=tx.policy.recreate is not None)
    also = [row.previous_release_id for row in sets.others(tx.session, tried)]
    back = [tried.previous_release_id, *(release for release in also if release is not None)]
    wish = _assign(tx, member, back, Intent.REVERT, tried.phase, terms)
    member.revert_assignment_id = wish.id
    return {"assignment": wish.id, "to": tried.previous_release_id} | ({"also": back[1:]} if also else {})


def _end(tx: Transaction, member: RolloutMember, order: str, outcome: Outcome, reason: str) -> None:
    assignment = member.assignment_id if order == "update" else member.revert_assignment_id
    assert assignment is not None
    tx.orders.withdraw(tx.session, assignment, outcome, reason, tx.now)
