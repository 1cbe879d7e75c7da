"""A set of releases rolled out as one: who is in it, one verdict for each device, back as one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot_server.devices.models import DeviceComponent
from surefoot_server.rollouts import halting, views
from surefoot_server.rollouts.companions import Companion, unfit
from surefoot_server.rollouts.creation import Order, Planned
from surefoot_server.rollouts.planner import Candidate
from surefoot_server.rollouts.triggers import Do
from surefoot_shared.errors import Conflict
from surefoot_shared.status import Outcome
from tests.server.rig import digest
from tests.server.rollouts.fleet import Fleet
from tests.server.rollouts.pairs import ends, newest

POLICY = """
phases: [{name: canary, percent: 25, bake: 60s}, {name: all, percent: 100, bake: 60s}]
gate: {objectives: [{metric: reverted, tripwire: 1, fail_if_surely_above: 5%}]}
on_fail: {halt: true, committed_devices: revert}
"""
MODEL = Companion("model/2.0", "model", "b" * 64, frozenset({"rpi5"}), 200, origin=("model/1.5", 95))
HERE = Candidate("cam-1", "rpi5", running="a" * 64, running_counter=100)
PART = Candidate("cam-1", "rpi5", running="c" * 64, running_counter=100)


def start(fleet: Fleet, policy: str = POLICY) -> str:
    return fleet.start(policy=policy, also=("model/2.0",))


@pytest.mark.parametrize(
    ("device", "part", "why"),
    [
        (HERE, PART, ""),
        (HERE, replace(PART, running=MODEL.digest, running_counter=200), ""),
        (replace(HERE, hw="jetson"), PART, "model/2.0, which goes with it, is not made for jetson"),
        (HERE, replace(PART, claimed_by="r3"), "rollout r3 is still at work on its model"),
        (HERE, replace(PART, running=None, running_counter=None), "the server does not know what its model runs"),
        (HERE, replace(PART, running_counter=300), "its model runs something newer than model/2.0"),
        (replace(HERE, running="n" * 64), PART, "it runs app/1.1 already and not model/2.0"),
        (replace(HERE, running_counter=None), PART, "the server does not know what it runs"),
        (
            HERE,
            replace(PART, running_counter=90),
            "it runs something older than model/1.5, which must come first: of its",
        ),
    ],
)
def test_a_device_is_in_it_only_where_the_whole_set_fits(device: Candidate, part: Candidate, why: str) -> None:
    found = unfit(device, "n" * 64, "app/1.1", [(MODEL, part)])

    assert found.startswith(why)
    assert bool(found) == bool(why)


def test_both_are_ordered_as_one_set_and_committed_is_committed_whole(models: Fleet) -> None:
    rollout = start(models)
    models.tick(1)
    canary = models.in_phase(rollout, 0)
    for name in canary:
        app, model = newest(models, name)["app"], newest(models, name)["model"]
        assert (app.release_id, model.release_id) == ("app/1.1", "model/2.0")
        assert app.joint is not None
        assert app.joint == model.joint
        ends(models, name, Outcome.COMMITTED, Outcome.COMMITTED)
    models.tick(1)
    models.tick(120)

    assert models.phases(rollout)[0].state == "passed"
    assert models.rollout(rollout).releases == ["app/1.1", "model/2.0"]


def test_a_bad_model_fails_the_rollout_though_the_application_only_went_with_it(models: Fleet) -> None:
    rollout = start(models)
    models.tick(1)
    first, *others = models.in_phase(rollout, 0)
    for name in others:
        ends(models, name, Outcome.COMMITTED, Outcome.COMMITTED)
    broken = {"app": ("set_broken", "Another member failed."), "model": ("health_failed", "frozen frames")}
    ends(models, first, Outcome.CANCELLED, Outcome.REVERTED, broken)
    models.tick(1)

    assert models.rollout(rollout).state == "reverting"
    assert newest(models, first)["app"].outcome == "reverted"
    assert set(models.rig.state.online.halted()) == {digest("app/1.1"), digest("model/2.0")}
    with models.rig.db.read() as session:
        assert [row.id for row in halting.halting(session, digest("model/2.0"))] == [rollout]


def test_it_goes_back_as_one_set(models: Fleet) -> None:
    rollout = start(models)
    models.tick(1)
    canary = models.in_phase(rollout, 0)
    for name in canary:
        ends(models, name, Outcome.COMMITTED, Outcome.COMMITTED)
    models.service.revert(rollout, "alice", models.now)
    models.tick(1)

    for name in canary:
        app, model = newest(models, name)["app"], newest(models, name)["model"]
        assert (app.release_id, model.release_id) == ("app/1.0", "model/1.0")
        assert (app.intent, model.intent, app.joint == model.joint) == ("revert", "revert", True)
        ends(models, name, Outcome.COMMITTED, Outcome.COMMITTED)
    models.tick(1)
    assert models.rollout(rollout).state == "failed"


def test_a_model_that_is_there_already_is_not_ordered_again_and_stays_on_the_way_back(models: Fleet) -> None:
    with models.rig.db.write() as session:
        for name in models.names:
            part = session.get(DeviceComponent, (name, "model"))
            assert part is not None
            part.release_id, part.digest = "model/2.0", digest("model/2.0")
    rollout = start(models)
    models.tick(1)
    name = models.in_phase(rollout, 0)[0]

    assert list(newest(models, name)) == ["app"]
    assert newest(models, name)["app"].joint is None


def test_a_halt_takes_the_whole_set_back_from_who_has_not_switched(models: Fleet) -> None:
    rollout = start(models)
    models.tick(1)
    name = models.in_phase(rollout, 0)[0]
    models.service.trip(rollout, Do.HALT, "advisory", models.now)
    models.tick(1)

    assert {(row.open, row.wanted) for row in newest(models, name).values()} == {(False, False)}


def test_another_rollout_of_the_model_leaves_its_devices_alone_meanwhile(models: Fleet) -> None:
    rollout = start(models)

    with pytest.raises(Conflict, match=f"rollout {rollout} is still at work"):
        models.start("model/2.0")


def test_an_advisory_against_the_model_stops_the_set(models: Fleet) -> None:
    rollout = start(models)

    found = models.rig.state.feedback.advise("model/2.0", Do.HALT, "wrong", "", "ann", models.now)

    assert list(found.stopped) == [rollout]


@pytest.mark.parametrize(
    ("also", "policy", "why"),
    [
        (("app/1.2",), POLICY, "different components"),
        (("model/2.0",), "rollout: {strategy: recreate, recreate: {blind_time: 20m}}\n", "strategy recreate: a device"),
        (("model/2.0",), "rollout: {strategy: shadow}\n", "strategy shadow: a release runs beside"),
        (("model/2.0",), "rollout: {intent: downgrade}\n", "as an update"),
    ],
)
def test_a_policy_under_which_members_could_part_is_refused(
    models: Fleet, also: tuple[str, ...], policy: str, why: str
) -> None:
    with pytest.raises(Conflict, match=why):
        plan(models, policy, also)


def test_the_plan_says_who_is_left_out_and_why(models: Fleet) -> None:
    with models.rig.db.write() as session:
        session.delete(session.get(DeviceComponent, ("cam-01", "model")))

    found = plan(models, POLICY, ("model/2.0",)).plan

    assert [(e.device, e.kind.value) for e in found.excluded] == [("cam-01", "set")]
    assert found.total == len(models.names) - 1


def test_the_plan_counts_the_downloads_of_the_whole_set(models: Fleet) -> None:
    with models.rig.db.write() as session:
        there = session.get(DeviceComponent, ("cam-01", "model"))
        assert there is not None
        there.release_id, there.digest = "model/2.0", digest("model/2.0")
    planned = plan(models, POLICY, ("model/2.0",))

    with models.rig.db.read() as session:
        shown = views.plan_out(session, planned, models.now)

    count = len(models.names)
    assert [(d.running, d.devices) for d in shown.downloads] == [("app/1.0", count), ("model/1.0", count - 1)]
    assert shown.also == ["model/2.0"]


def test_the_policy_bars_what_goes_with_a_release_as_it_bars_a_release(models: Fleet) -> None:
    found = plan(models, POLICY + "releases: {forbidden: [model/2.0]}\n", ("model/2.0",)).plan

    assert {e.reason for e in found.excluded} == {"model/2.0 is not for it: the policy forbids it"}


def test_a_policy_names_the_set(models: Fleet) -> None:
    policy = "rollout: {release: app/1.1, also: [model/2.0], cohort: all}\n" + POLICY
    with models.rig.db.read() as session:
        whole = models.service.plan(session, Order(policy))
        another = models.service.plan(session, Order(policy, "app/1.2"))
        meant = models.service.meant(session, Order(policy))

    assert [each.release for each in whole.companions] == ["model/2.0"]
    assert another.companions == ()
    assert meant == (["app/1.1", "model/2.0"], "all")


def plan(fleet: Fleet, policy: str, also: tuple[str, ...]) -> Planned:
    with fleet.rig.db.read() as session:
        return fleet.service.plan(session, Order(policy, "app/1.1", "all", also=also))
