"""Applying decisions: along the tables, with a record and an audit row each, all in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from surefoot_server.rollouts import policy as policies
from surefoot_server.rollouts import repository
from surefoot_server.rollouts.apply import apply, change_phase, change_rollout
from surefoot_server.rollouts.decisions import BeginBake, Decision, FailPhase, Lose, Offer, PassPhase, SendBack
from surefoot_server.rollouts.judge import Counts, Finding
from surefoot_server.rollouts.table import PhaseEvent, RolloutEvent
from surefoot_server.rollouts.transaction import Transaction
from surefoot_shared.errors import Conflict
from surefoot_shared.status import AttemptState, Outcome, Verdict
from tests.server.rollouts.fleet import Fleet

FINDING = Finding(Verdict.PASS, "3 of 3", Counts(3, 3, 3, {Outcome.COMMITTED: 3}), 3)


@contextmanager
def transaction(fleet: Fleet, rollout: str) -> Iterator[Transaction]:
    with fleet.rig.db.write() as session:
        row = repository.rollout(session, rollout)
        yield Transaction(session, fleet.rig.devices, row, policies.parse(row.policy), fleet.now)


def applied(fleet: Fleet, rollout: str, *decisions: Decision) -> None:
    with transaction(fleet, rollout) as tx:
        apply(tx, decisions)


def test_an_offer_makes_an_assignment_in_the_open_phase(fleet: Fleet) -> None:
    rollout = fleet.start()
    late = fleet.in_phase(rollout, 1)[0]

    applied(fleet, rollout, Offer(late, 0, "its phase is open"))

    wish = fleet.wish(late)
    assert (wish.release_id, wish.rollout_id, wish.phase) == ("app/1.1", rollout, 0)
    assert wish.previous_release_id == "app/1.0"
    assert fleet.members(rollout)[late].assignment_id == wish.id


def test_an_offer_that_the_device_service_refuses_leaves_the_device_out_with_its_reason(fleet: Fleet) -> None:
    rollout = fleet.start()
    late = fleet.in_phase(rollout, 1)[0]
    with fleet.rig.db.write() as session:
        fleet.rig.devices.revoke(session, late, "bob", fleet.now)

    applied(fleet, rollout, Offer(late, 0, "its phase is open"))

    member = fleet.members(rollout)[late]
    assert member.standing == "excluded"
    assert "revoked" in member.reason


def test_a_verdict_is_written_with_its_evidence(fleet: Fleet) -> None:
    rollout = fleet.start()

    applied(fleet, rollout, BeginBake(0, "all ended"), PassPhase(0, "3 of 3", FINDING))

    phase = fleet.phases(rollout)[0]
    assert (phase.state, phase.verdict, phase.reason) == ("passed", "pass", "3 of 3")
    assert phase.evidence["counts"]["outcomes"] == {"committed": 3}
    assert fleet.rollout(rollout).phase == 1


def test_a_failed_phase_takes_the_rollout_with_it_and_halts_the_digest(fleet: Fleet) -> None:
    rollout = fleet.start()

    applied(fleet, rollout, FailPhase(0, "2 reverted", FINDING, revert=True, halt=True))

    row = fleet.rollout(rollout)
    assert (row.state, row.halts_digest, row.committed_devices) == ("reverting", True, "revert")
    assert fleet.phases(rollout)[0].state == "failed"


def test_a_device_is_sent_back_to_what_it_ran_when_it_was_offered(fleet: Fleet) -> None:
    rollout = fleet.start()
    device = fleet.in_phase(rollout, 0)[0]
    fleet.state(device, AttemptState.PROBATION)

    applied(fleet, rollout, SendBack(device, "reverting"))

    assert (fleet.wish(device).release_id, fleet.wish(device).intent) == ("app/1.0", "revert")
    assert fleet.members(rollout)[device].revert_assignment_id == fleet.wish(device).id


def test_a_loss_is_noted_and_the_wish_stays(fleet: Fleet) -> None:
    rollout = fleet.start()
    device = fleet.in_phase(rollout, 0)[0]

    applied(fleet, rollout, Lose(device, "silent for 15 min"))

    assert (fleet.wish(device).outcome, fleet.wish(device).wanted) == ("lost", True)


def test_each_decision_leaves_its_own_row_and_an_audit_row_with_the_same_reason(fleet: Fleet) -> None:
    rollout = fleet.start()
    before = len(fleet.audited(rollout))

    applied(fleet, rollout, BeginBake(0, "all three have ended"))

    decision, entry = fleet.decisions(rollout)[-1], fleet.audited(rollout)[before]
    assert (decision.kind, decision.reason, decision.actor) == ("begin_bake", "all three have ended", "engine")
    assert (entry.action, entry.detail["reason"], entry.actor) == ("rollout.begin_bake", decision.reason, "engine")


def test_nothing_is_left_of_a_transaction_that_fails(fleet: Fleet) -> None:
    rollout = fleet.start()
    before = len(fleet.decisions(rollout))

    # The second decision is impossible after the first one.
    with pytest.raises(KeyError), transaction(fleet, rollout) as tx:
        apply(tx, [BeginBake(0, "all ended"), BeginBake(0, "all ended")])

    assert len(fleet.decisions(rollout)) == before
    assert fleet.phases(rollout)[0].state == "offering"


def test_a_step_outside_the_table_is_never_written(fleet: Fleet) -> None:
    rollout = fleet.start()

    with pytest.raises(Conflict), transaction(fleet, rollout) as tx:
        change_rollout(tx, RolloutEvent.REVERTED, "no")
    with pytest.raises(KeyError), transaction(fleet, rollout) as tx:
        change_phase(tx, 0, PhaseEvent.PASS, "no")

    assert fleet.rollout(rollout).state == "running"
