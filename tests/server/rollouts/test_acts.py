"""Acts of people on real rollouts: approvals hold, and nothing goes round them; a retry forgets the old failure."""

from __future__ import annotations

import pytest

from surefoot_server.access import service as access
from surefoot_server.access import users
from surefoot_server.access.roles import FLEET, Grant, Principal, Role
from surefoot_server.rollouts import views
from surefoot_server.rollouts.repository import rollout as read
from surefoot_shared.errors import Conflict, NotAllowed
from surefoot_shared.status import Outcome
from tests.server.rig import later
from tests.server.rollouts.fleet import POLICY, Fleet

ASKED = "rollout: {approval: {by: releaser, count: 2}}\n" + POLICY
GATED = POLICY.replace("name: rest, percent: 100,", "name: rest, percent: 100, approval: {by: releaser},")
TOLERANT = POLICY.replace("max_wait: 1h", "max_wait: 1h, objectives: [{metric: reverted, fail_if_surely_above: 60%}]")
BOB, CAROL = (Principal(name, Role.RELEASER, name) for name in ("bob", "carol"))


def canary_passes(fleet: Fleet, rollout: str) -> None:
    fleet.commit(*fleet.in_phase(rollout, 0))
    fleet.tick()
    fleet.tick(70)


def acts(fleet: Fleet, rollout: str) -> list[str]:
    with fleet.rig.db.read() as session:
        return views.rollout_out(session, read(session, rollout), fleet.now).acts


def test_nothing_is_offered_before_two_other_people_approved(fleet: Fleet) -> None:
    rollout = fleet.start(policy=ASKED)
    assert fleet.rollout(rollout).state == "awaiting_approval"
    assert acts(fleet, rollout) == ["approve", "reject", "cancel"]
    fleet.tick(60)
    assert fleet.wished() == set()

    with pytest.raises(NotAllowed):
        fleet.service.approve(rollout, Principal("alice", Role.ADMIN, "a"), fleet.now)
    fleet.service.approve(rollout, BOB, fleet.now, "tests are green")
    assert fleet.rollout(rollout).state == "awaiting_approval"
    fleet.service.approve(rollout, CAROL, fleet.now)

    assert fleet.rollout(rollout).state == "running"
    assert fleet.wished() == set(fleet.in_phase(rollout, 0))
    assert [e.action for e in fleet.audited(rollout)].count("rollout.approve") == 2


def test_a_second_token_of_the_same_person_is_no_second_person(fleet: Fleet) -> None:
    with fleet.rig.db.write() as session:
        admin = [Grant(FLEET, Role.ADMIN)]
        people = {n: f"user:{users.create(session, n, None, admin, 'root', fleet.now).id}" for n in ("alice", "dora")}
        texts = {
            name: access.create_token(session, name, Role.ADMIN, of, fleet.now, person=people[of])[1]
            for name, of in (("alices-ci", "alice"), ("doras-ci", "dora"), ("doras-other", "dora"))
        }
        token = {name: access.principal_of(session, text, fleet.now) for name, text in texts.items()}
        dora = users.principal_of(session, users.get(session, "dora"))
    rollout = fleet.start(policy=ASKED)

    with pytest.raises(NotAllowed, match="started the rollout"):
        fleet.service.approve(rollout, token["alices-ci"], fleet.now)
    fleet.service.approve(rollout, token["doras-ci"], fleet.now)
    for again in (token["doras-other"], dora):
        with pytest.raises(Conflict, match="has approved it already"):
            fleet.service.approve(rollout, again, fleet.now)

    assert fleet.rollout(rollout).state == "awaiting_approval"


def test_a_no_cancels_it(fleet: Fleet) -> None:
    rollout = fleet.start(policy=ASKED)

    fleet.service.reject(rollout, BOB, fleet.now, "not today")

    assert fleet.rollout(rollout).state == "cancelled"
    assert fleet.rollout(rollout).reason == "rejected by bob: not today"


def test_a_rollout_with_a_time_starts_at_it_and_not_before(fleet: Fleet) -> None:
    rollout = fleet.start(policy=f"rollout: {{start_at: {later(100).isoformat()}}}\n" + POLICY)
    assert fleet.rollout(rollout).state == "scheduled"

    fleet.tick(80)
    assert fleet.wished() == set()
    fleet.tick(20)

    assert fleet.rollout(rollout).state == "running"
    assert fleet.wished() == set(fleet.in_phase(rollout, 0))


def test_an_approved_rollout_still_waits_for_its_time(fleet: Fleet) -> None:
    text = ASKED.replace("rollout: {", f"rollout: {{start_at: {later(100).isoformat()}, ")
    rollout = fleet.start(policy=text)
    fleet.service.approve(rollout, BOB, fleet.now)
    fleet.service.approve(rollout, CAROL, fleet.now)

    assert fleet.rollout(rollout).state == "scheduled"
    fleet.tick(100)
    assert fleet.rollout(rollout).state == "running"


def test_a_phase_that_passed_its_gate_does_not_open_the_next_one_without_a_person(fleet: Fleet) -> None:
    rollout = fleet.start(policy=GATED)
    canary_passes(fleet, rollout)
    assert fleet.rollout(rollout).state == "held"
    assert fleet.rollout(rollout).reason == "rest waits for 1 approval by releaser"
    assert "resume" not in acts(fleet, rollout)

    fleet.service.resume(rollout, "bob", fleet.now)
    assert fleet.rollout(rollout).state == "held"
    assert fleet.wished() == set()
    fleet.service.approve(rollout, BOB, fleet.now)

    assert fleet.wished() == set(fleet.in_phase(rollout, 1))


def test_a_failure_that_comes_while_people_think_is_not_hidden_by_their_thinking(fleet: Fleet) -> None:
    rollout = fleet.start(policy=GATED)
    late, *others = fleet.in_phase(rollout, 0)
    fleet.offline(late)
    fleet.commit(*others)
    fleet.tick(200)
    fleet.tick(70)
    assert fleet.rollout(rollout).state == "held"

    fleet.hello(late, "app/1.0")
    fleet.end(Outcome.REVERTED, late)
    fleet.tick(10)

    assert fleet.rollout(rollout).state in ("held", "reverting", "failed")
    found = fleet.phases(rollout)[1]
    assert found.state in ("awaiting_approval", "failed")


def test_nothing_can_be_approved_where_nothing_was_asked(fleet: Fleet) -> None:
    rollout = fleet.start()

    with pytest.raises(Conflict, match="Nothing of rollout"):
        fleet.service.approve(rollout, BOB, fleet.now)
    with pytest.raises(Conflict, match="Nothing of rollout"):
        fleet.service.reject(rollout, BOB, fleet.now)


def test_a_retry_gives_a_device_its_turn_again_and_forgets_its_failure(fleet: Fleet) -> None:
    rollout = fleet.start(policy=TOLERANT)
    bad = fleet.in_phase(rollout, 0)[0]
    fleet.end(Outcome.REVERTED, bad)
    fleet.tick()
    assert bad not in fleet.wished()

    fleet.service.retry(rollout, "bob", fleet.now, "a new power supply", [bad])

    assert bad in fleet.wished()
    assert fleet.rollout(rollout).tally == {}
    assert fleet.decisions(rollout)[-2].reason == "retry of 1 by bob: a new power supply"


def test_a_failure_after_a_retry_counts_although_the_first_one_was_acknowledged(fleet: Fleet) -> None:
    rollout = fleet.start(policy=POLICY.replace("max_wait: 1h", "max_wait: 1h, on_inconclusive: hold") + KEEP)
    bad = fleet.in_phase(rollout, 0)[0]
    fleet.end(Outcome.FAILED, bad)
    fleet.commit(*fleet.in_phase(rollout, 0)[1:])
    fleet.tick()
    fleet.tick(70)
    assert fleet.rollout(rollout).state in ("held", "failed")
    if fleet.rollout(rollout).state == "held":
        fleet.service.resume(rollout, "bob", fleet.now)
        assert fleet.phases(rollout)[0].acknowledged == {"failed": 1}
        fleet.service.retry(rollout, "bob", fleet.now, "", [bad])
        assert fleet.phases(rollout)[0].acknowledged == {}


KEEP = "on_fail: {committed_devices: keep}\n"


def test_a_canary_that_refused_holds_the_phase_at_once_and_a_person_may_go_on_without_it(fleet: Fleet) -> None:
    rollout = fleet.start(policy=POLICY)
    unwilling, *others = fleet.in_phase(rollout, 0)
    fleet.end(Outcome.REFUSED, unwilling)
    fleet.commit(*others)
    fleet.tick()
    assert fleet.rollout(rollout).state == "held"
    assert "1 refused it" in fleet.rollout(rollout).reason

    fleet.service.resume(rollout, "bob", fleet.now)
    fleet.tick()
    fleet.tick(70)

    assert fleet.phases(rollout)[0].acknowledged == {"refused": 1}
    assert fleet.phases(rollout)[0].state == "passed"


def test_a_retry_of_nobody_is_refused(fleet: Fleet) -> None:
    rollout = fleet.start()

    with pytest.raises(Conflict, match="No such device"):
        fleet.service.retry(rollout, "bob", fleet.now)
