"""Releases that nobody is sent to: below a floor, forbidden, too far away; forward and back."""

from __future__ import annotations

import pytest

from surefoot_server.rollouts.bars import Bars, barred
from surefoot_server.rollouts.creation import Order
from surefoot_server.rollouts.policy import parse
from surefoot_server.rollouts.strays import SETTLE_S
from surefoot_server.rollouts.triggers import Do
from surefoot_shared.errors import Conflict, Invalid, NotFound
from tests.server.rollouts.fleet import Fleet

COUNTERS = {"app/1.0": 10, "app/1.1": 11, "app/1.2": 12, "app/1.3": 13}
ALL = "phases: [{percent: 100, bake: 0s}]\n"
BARS = Bars(floors=("model/9", "app/1.1"), forbidden=("app/1.2", "model/3"), origins=("app/1.1",))


@pytest.mark.parametrize(
    ("bars", "halted", "expected"),
    [
        (Bars(), (), {}),
        (Bars(floors=("app/1.2",)), (), dict.fromkeys(("app/1.0", "app/1.1"), "it is below the floor app/1.2")),
        (Bars(floors=("model/2",)), (), {}),
        (Bars(forbidden=("app/1.2",)), (), {"app/1.2": "the policy forbids it"}),
        (Bars(), ("app/1.3",), {"app/1.3": "it is on the halt list"}),
        (BARS, (), {"app/1.0": "it is below the floor app/1.1", "app/1.2": "the policy forbids it"}),
    ],
)
def test_each_bar_keeps_away_what_it_says_with_its_reason(
    bars: Bars, halted: tuple[str, ...], expected: dict[str, str]
) -> None:
    assert barred(bars, "app", COUNTERS, halted) == expected


def test_bars_are_read_and_told_for_a_component() -> None:
    policy = parse("releases: {floors: [model/9, app/1.1], forbidden: [app/1.2, model/3], from: [app/1.1]}")

    assert policy.bars == BARS
    assert policy.bars.words("app") == ["nothing below app/1.1", "never app/1.2", "only from app/1.1 on"]
    assert policy.bars.named("model") == ("model/9", "model/3")
    assert policy.bars.words("firmware") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("releases: {floors: [1.2]}", "line 1: releases.floors[0]: '1.2' is not a release such as app/1.4"),
        ("releases: {floors: [app/1, app/2]}", "releases.floors[1]: a component has one; app/2 is the second"),
        ("releases: {forbidden: app/1}", "releases.forbidden: it must be a list"),
    ],
)
def test_what_is_no_release_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(text)

    assert message in refused.value.message


# --- on a real database


def test_a_release_that_the_policy_bars_is_offered_to_nobody_with_the_reason(fleet: Fleet) -> None:
    with pytest.raises(Conflict, match=r"app/1.1 is not for it: it is below the floor app/1.2"):
        fleet.start(policy=ALL + "releases: {floors: [app/1.2]}")
    with pytest.raises(Conflict, match=r"app/1.1 is not for it: the policy forbids it"):
        fleet.start(policy=ALL + "releases: {forbidden: [app/1.1]}")


def test_a_bar_that_names_no_release_is_refused(fleet: Fleet) -> None:
    with pytest.raises(NotFound, match=r"'app/7.7', and there is no such release"):
        fleet.start(policy=ALL + "releases: {forbidden: [app/7.7]}")


def test_devices_that_run_something_too_old_or_unknown_are_left_out_of_the_plan(fleet: Fleet) -> None:
    fleet.hello("cam-01", "app/1.1")
    fleet.hello("cam-02", "app/0.1")

    with fleet.rig.db.read() as session:
        planned = fleet.service.plan(session, Order(ALL + "releases: {from: [app/1.1]}", "app/1.2", "all"))

    assert [m.device for m in planned.plan.phases[0].members] == ["cam-01"]
    reasons = {e.device: (e.kind.value, e.reason) for e in planned.plan.excluded}
    assert reasons["cam-03"] == ("too_old", "it runs something older than app/1.1, which must come first")
    assert reasons["cam-02"][1] == "the server does not know that it runs app/1.1 or newer, which must come first"


def test_a_device_that_was_reflashed_to_something_too_old_leaves_the_rollout(fleet: Fleet) -> None:
    fleet.hellos("app/1.1", *fleet.names)
    rollout = fleet.start("app/1.2", policy=ALL + "releases: {from: [app/1.1]}")
    fleet.commit(*fleet.names)
    fleet.tick()

    fleet.hello("cam-05", "app/1.0")
    fleet.tick(SETTLE_S + 20)

    assert fleet.members(rollout)["cam-05"].standing == "excluded"
    assert "older than app/1.1" in fleet.members(rollout)["cam-05"].reason
    assert fleet.wished("app/1.2") == set()


def test_nobody_goes_back_below_the_floor_and_the_forecast_says_so(fleet: Fleet) -> None:
    fleet.hello("cam-01", "app/1.1")
    rollout = fleet.start("app/1.2", policy=ALL + "releases: {floors: [app/1.1]}")
    fleet.commit(*fleet.names)
    fleet.tick()
    with fleet.rig.db.read() as session:
        forecast = fleet.service.revert_forecast(session, rollout)

    fleet.service.revert(rollout, "bob", fleet.now)

    assert fleet.wished("app/1.0") == set()
    assert fleet.wished("app/1.1") == {"cam-01"}
    assert len(forecast.cannot) == 11
    assert forecast.cannot[0].cannot == "it ran app/1.0 before, and it is below the floor app/1.1"
    fleet.commit("cam-01")
    fleet.tick()
    assert fleet.rollout(rollout).reason.endswith(
        "1 of 1 devices are back on their previous release, "
        "11 have no earlier release that they may go back to, and keep it"
    )


def test_nobody_goes_back_to_a_release_that_was_halted_since(fleet: Fleet) -> None:
    first = fleet.start("app/1.1", policy=ALL)
    fleet.commit(*fleet.names)
    fleet.tick()
    second = fleet.start("app/1.2", policy=ALL)
    fleet.commit(*fleet.names)
    fleet.tick()
    fleet.service.trip(first, Do.HALT, "bad after all", fleet.now)

    fleet.service.revert(second, "bob", fleet.now)

    assert fleet.wished("app/1.1") == set()
    assert fleet.rollout(second).state == "failed"
