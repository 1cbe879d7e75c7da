"""What is shown of a rollout: counts that add up, words of the tables, what may be done next."""

from __future__ import annotations

from surefoot_server.rollouts import repository, views
from surefoot_server.rollouts.creation import Order
from surefoot_server.rollouts.policy import CommittedDevices
from surefoot_server.rollouts.views import RolloutOut
from surefoot_shared.status import Outcome
from tests.server.rollouts.fleet import POLICY, Fleet


def shown(fleet: Fleet, rollout: str) -> RolloutOut:
    with fleet.rig.db.read() as session:
        return views.rollout_out(session, repository.rollout(session, rollout), fleet.now)


def test_the_counts_of_a_running_rollout_add_up(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.commit(fleet.in_phase(rollout, 0)[0])

    found = shown(fleet, rollout)

    canary, rest = found.phases
    assert (found.state, found.members, found.waiting, found.outcomes) == ("running", 12, 9, {"committed": 1})
    assert (canary.offered, canary.busy, canary.due, canary.outcomes) == (3, 2, 3, {"committed": 1})
    assert (rest.offered, rest.waiting) == (0, 9)
    assert found.acts == ["pause", "halt", "revert", "retry", "cancel"]


def test_a_bake_shows_how_long_it_still_takes(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.commit(*fleet.in_phase(rollout, 0))
    fleet.tick()
    fleet.tick(20)

    assert shown(fleet, rollout).phases[0].bake_left_s == 40


def test_a_phase_whose_bake_is_over_says_what_it_waits_for(fleet: Fleet) -> None:
    rollout = fleet.start(policy=POLICY.replace("percent: 25", "percent: 25, min_devices: 3"))
    good, *others = fleet.in_phase(rollout, 0)
    fleet.commit(good)
    fleet.offline(*others)
    fleet.tick(120)
    fleet.tick(120)

    phase = shown(fleet, rollout).phases[0]

    assert (phase.state, phase.bake_left_s) == ("baking", None)
    assert "1 of 1 due devices reported, at least 3 needed" in phase.reason


def test_a_release_that_another_rollout_halted_says_so(fleet: Fleet) -> None:
    one, two = fleet.start(cohort="hw == 'rpi5'"), fleet.start(cohort="hw == 'x86-box'")
    fleet.service.halt(one, CommittedDevices.KEEP, "alice", fleet.now)

    found = shown(fleet, two)

    assert found.halted_by == one
    assert f"rollout {one} put app/1.1 on the halt list" in found.reason
    assert shown(fleet, one).halted_by is None


def test_a_failed_rollout_shows_what_failed_and_who_went_back(fleet: Fleet) -> None:
    rollout = fleet.start()
    good, *bad = fleet.in_phase(rollout, 0)
    fleet.commit(good)
    fleet.end(Outcome.REVERTED, *bad)
    fleet.tick()
    fleet.commit(good)
    fleet.tick()

    found = shown(fleet, rollout)

    assert (found.state, found.ended, found.halted, found.taken_back) == ("failed", True, True, 1)
    assert "2 of 3 devices reverted" in found.reason
    assert found.phases[0].verdict == "fail"
    assert found.phases[0].evidence["verdict"] == "fail"


def test_sleepers_are_shown_as_asleep(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.offline(*fleet.in_phase(rollout, 1)[:2])

    assert shown(fleet, rollout).phases[1].asleep == 2


def test_members_are_shown_with_why_they_are_where_they_are(fleet: Fleet) -> None:
    rollout = fleet.start()
    device = fleet.in_phase(rollout, 0)[0]
    fleet.end(Outcome.REVERTED, device)

    with fleet.rig.db.read() as session:
        found = {m.device: m for m in views.members_out(session, rollout)}

    assert (found[device].outcome, found[device].message) == ("reverted", "frozen frames")
    assert "by hash" in found[device].why


def test_a_plan_shows_the_shortest_time_and_what_trips(fleet: Fleet) -> None:
    with fleet.rig.db.read() as session:
        found = views.plan_out(session, fleet.service.plan(session, Order(POLICY, "app/1.1", "all")), fleet.now)

    assert (found.total, found.at_least_s, len(found.phases)) == (12, 120.0, 2)
    assert found.phases[0].trips == {"failed": 1, "reverted": 1, "lost": 1}
