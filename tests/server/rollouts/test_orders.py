"""Orders to single devices: what each leaves in the rows of the device and of its place in the rollout."""

from __future__ import annotations

from surefoot_server.rollouts import orders
from surefoot_server.rollouts.decisions import Offer, Reconcile, Retry, Withdraw
from surefoot_shared.status import Outcome
from tests.server.rollouts.fleet import POLICY, Fleet
from tests.server.rollouts.test_apply import transaction


def test_a_try_again_sets_the_attempt_aside_and_says_when(fleet: Fleet) -> None:
    rollout = fleet.start()
    device = fleet.in_phase(rollout, 0)[0]
    failed = fleet.wish(device).id
    fleet.end(Outcome.FAILED, device)

    with transaction(fleet, rollout) as tx:
        told = orders.order(tx, Retry(device, "its download failed", "download", 600.0))

    member = fleet.members(rollout)[device]
    assert told["failed"] == failed
    assert (member.assignment_id, member.tries) == (None, {"download": 1})
    assert member.retry_at is not None
    assert (member.retry_at - fleet.now).total_seconds() == 600


def test_an_offer_ends_the_wait_for_it(fleet: Fleet) -> None:
    rollout = fleet.start()
    device = fleet.in_phase(rollout, 0)[0]
    fleet.end(Outcome.FAILED, device)
    with transaction(fleet, rollout) as tx:
        orders.order(tx, Retry(device, "its download failed", "download", 600.0))

        orders.order(tx, Offer(device, 0, "its next try"))

    assert fleet.members(rollout)[device].retry_at is None
    assert fleet.wish(device).open


def test_a_stray_that_is_let_be_stays_a_commit(fleet: Fleet) -> None:
    rollout = fleet.start()
    device = fleet.in_phase(rollout, 0)[0]
    fleet.commit(device)
    fleet.hello(device, "app/1.2")

    with transaction(fleet, rollout) as tx:
        orders.order(tx, Reconcile(device, "it runs a newer release", again=False))

    assert (fleet.wish(device).strayed_at, fleet.wish(device).outcome) == (None, "committed")
    assert fleet.members(rollout)[device].assignment_id == fleet.wish(device).id


def test_what_is_withdrawn_is_wanted_no_more(fleet: Fleet) -> None:
    rollout = fleet.start(policy=POLICY)
    device = fleet.in_phase(rollout, 0)[0]

    with transaction(fleet, rollout) as tx:
        orders.order(tx, Withdraw(device, "the rollout is halted"))

    assert (fleet.wish(device).outcome, fleet.wish(device).wanted) == ("cancelled", False)
