"""Recreate: a device with room for one release gives up the one that runs, and comes to one end whatever cuts it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import events as e
from surefoot_agent import guard, only_place
from surefoot_agent.record import Committed, Record
from surefoot_shared.errors import InstallFailed
from surefoot_shared.messages import JointSet
from surefoot_shared.release import DataHandling
from surefoot_shared.status import AttemptState, Intent, Outcome, SlotName, SlotState
from tests.agent.fakes import Cut, Device

pytestmark = pytest.mark.usefixtures("unsynced")

A, B = SlotName.A, SlotName.B


@pytest.fixture
def device(tmp_path: Path) -> Device:
    made = Device(tmp_path)
    made.slots.tight = True
    made.application.start(A, made.manifests["1.0"])
    return made


def run(device: Device) -> None:
    device.run_until_idle(device.start_agent())


def order(device: Device, **changes: object) -> None:
    device.assign(device.wish("1.1", "a-1", recreate=True, **changes))


# --- what is allowed ------------------------------------------------------------------------------------------------


def test_where_two_fit_nothing_is_given_up(device: Device) -> None:
    device.slots.tight = False

    assert only_place.room_or_place(device.hands(), device.wish("1.1", "a-1", recreate=True), B) == e.CheckPassed(B, A)


def test_where_one_fits_its_place_is_offered(device: Device) -> None:
    assert only_place.room_or_place(device.hands(), device.wish("1.1", "a-1", recreate=True), B) == e.RoomForOne(B, A)


@pytest.mark.parametrize(
    "forbidden",
    ["not signed so", "a set", "an agent that did not announce it", "not even one fits", "data that only it knows"],
)
def test_the_release_that_runs_stays_where_giving_it_up_is_not_allowed(device: Device, forbidden: str) -> None:
    wish, hands = device.wish("1.1", "a-1", recreate=True), device.hands()
    match forbidden:
        case "not signed so":
            wish = replace(wish, recreate=False)
        case "a set":
            wish = replace(wish, joint=JointSet("set-1", (("app", wish.digest),)))
        case "an agent that did not announce it":
            hands = replace(hands, abilities=frozenset())
        case "not even one fits":
            wish = replace(wish, note=replace(wish.note, installed_size_bytes=10**18))
        case "data that only it knows":
            device.publish("1.0", data=DataHandling(forward=("run",), backward=("run",)))
            device.provision()
            device.publish("0.9")
            wish = device.wish("0.9", "a-1", recreate=True)

    with pytest.raises(InstallFailed, match="no_space"):
        only_place.room_or_place(hands, wish, B)

    assert device.slots.installed(A) is not None


# --- the way through ------------------------------------------------------------------------------------------------


def test_the_new_release_takes_the_only_place(device: Device) -> None:
    order(device)
    run(device)

    assert device.server.outcomes() == [("a-1", Outcome.COMMITTED, None)]
    assert device.running_version() == "1.1"
    assert device.slots.installed(A) is None
    states = device.server.states("a-1")
    assert states[:4] == ["offered", "checking", "downloading", "verified"]


def test_the_server_hears_when_the_device_is_full_and_when_nothing_is_left(device: Device) -> None:
    order(device)
    run(device)

    told = [(event.state, event.full, event.vacated) for event in device.server.events.values()]
    assert (AttemptState.CHECKING, True, False) in told
    assert (AttemptState.CHECKING, False, True) in told


def test_it_waits_for_the_order_and_runs_on_meanwhile(device: Device) -> None:
    order(device, activate=False)
    agent = device.start_agent()
    device.play(agent, 60.0)

    assert (agent.record.state, agent.record.full) == (AttemptState.CHECKING, True)
    assert device.running_version() == "1.0"

    device.assign(device.wish("1.1", "a-1", recreate=True))
    device.start_agent()
    run(device)
    assert device.running_version() == "1.1"


def test_an_agent_that_restarts_while_it_waits_goes_on_waiting(device: Device) -> None:
    order(device, activate=False)
    device.play(device.start_agent(), 30.0)

    agent = device.start_agent()
    device.play(agent, 30.0)

    assert (agent.record.state, agent.record.full) == (AttemptState.CHECKING, True)
    assert device.running_version() == "1.0"


def test_another_order_of_the_same_release_that_allows_nothing_ends_the_waiting(device: Device) -> None:
    order(device, activate=False)
    agent = device.start_agent()
    device.play(agent, 10.0)

    device.assign(device.wish("1.1", "a-2"))
    run(device)

    assert device.server.outcomes()[-1] == ("a-2", Outcome.REFUSED, "no_space")
    assert device.running_version() == "1.0"


def test_once_nothing_runs_no_window_is_waited_for(device: Device) -> None:
    now = device.world.utc().isoformat()
    soon = device.world.utc().replace(hour=(device.world.utc().hour + 23) % 24).isoformat()
    record = Record("app", AttemptState.STAGED, 1, device.wish("1.1", "a-1", windows=((soon, soon), (now, now))), 1)

    from surefoot_agent import plan

    assert isinstance(plan.came(replace(record, vacated=True), device.world.utc(), "held"), e.TurnCame)
    assert isinstance(plan.came(record, device.world.utc(), "held"), plan.Waits | e.WindowsOver)


def test_a_sick_release_leaves_nothing_and_the_one_before_is_fetched_again(device: Device) -> None:
    device.health.sick = {"1.1"}
    order(device)
    run(device)

    assert device.server.outcomes() == [("a-1", Outcome.REVERTED, "health_failed")]
    assert device.running_version() is None

    device.assign(device.wish("1.0", "a-2", intent=Intent.REVERT, recreate=True))
    run(device)

    assert device.server.outcomes()[-1] == ("a-2", Outcome.COMMITTED, None)
    assert device.running_version() == "1.0"


def test_after_a_commit_there_is_nothing_to_fall_back_to(device: Device) -> None:
    order(device)
    run(device)

    agent = device.start_agent()
    device.play(agent, 5.0)

    (said,) = device.server.hellos[-1].components
    assert not said.previous_kept
    assert "recreate" in said.abilities


def test_an_order_that_is_taken_back_while_it_waits_costs_nothing(device: Device) -> None:
    order(device, activate=False)
    device.play(device.start_agent(), 10.0)

    device.assign()
    run(device)

    assert device.server.outcomes() == [("a-1", Outcome.CANCELLED, "cancelled_by_order")]
    assert device.running_version() == "1.0"
    assert device.boot_control.state(A) is SlotState.GOOD


# --- every instant --------------------------------------------------------------------------------------------------


def healthy(device: Device) -> None:
    order(device)


def sick(device: Device) -> None:
    device.health.sick = {"1.1"}
    order(device)


def make(folder: Path, scene: Callable[[Device], None]) -> Device:
    device = Device(folder)
    device.slots.tight = True
    scene(device)
    device.world.points, device.world.trace = 0, []
    return device


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("power", [False, True], ids=["killed", "power cut"])
@pytest.mark.parametrize(
    ("scene", "outcome", "first", "last"),
    [
        (healthy, Outcome.COMMITTED, "before boot A=bad", "before slot begin"),
        (sick, Outcome.REVERTED, "after link B", "after link A"),
    ],
)
def test_whatever_write_was_the_last_the_device_comes_to_the_end_it_was_ordered_to(
    tmp_path: Path, scene: Callable[[Device], None], outcome: Outcome, first: str, last: str, power: bool
) -> None:
    """From the giving up to the first new byte, and on the way out; all else is an attempt like any other."""
    whole = make(tmp_path / "whole", scene)
    run(whole)
    trace = whole.world.trace
    assert "before slot clear" in trace

    for point in range(trace.index(first) - 1, trace.index(last) + 2):
        where = trace[point - 1]
        device = make(tmp_path / "cut", scene)
        device.world.cut_at = point
        with pytest.raises(Cut):
            run(device)
        if power:
            device.cut_power()
        run(device)

        assert device.server.outcomes() == [("a-1", outcome, device.server.outcomes()[0][2])], where
        assert device.running_version() == ("1.1" if outcome is Outcome.COMMITTED else None), where
        trial = guard.load_record(device.component_dir, "trial")
        assert trial is None or not guard.must_act(trial, 1e12), where
        device.health.sick = set()
        device.assign(device.wish("1.0", "a-2", recreate=True, intent=Intent.REVERT))
        run(device)
        assert device.running_version() == "1.0", f"{where}: the way back by the server"
        shutil.rmtree(tmp_path / "cut")


def test_what_is_committed_is_forgotten_before_the_first_file_goes() -> None:
    from surefoot_agent.machine import step

    record = Record("app", AttemptState.CHECKING, committed=Committed("c" * 64, "1.0", A), full=True)

    after, _ = step(record, e.TurnCame())

    assert (after.vacated, after.full, after.committed, after.previous_kept) == (True, False, None, False)
