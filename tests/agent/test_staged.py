"""Pre-position now, switch later: a staged release waits for its window and its order, over restarts and power cuts."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.downlink import Connected
from surefoot_agent.reset_cause import Cause
from surefoot_agent.runner import Runner
from surefoot_shared.status import AttemptState, Outcome, SlotName
from tests.agent.fakes import Device

pytestmark = pytest.mark.usefixtures("unsynced")

S = AttemptState
SOON = (("2030-01-01T00:20:00Z", "2030-01-01T00:40:00Z"),)
"""A window that opens 200 s after the simulated device's start."""
COMMITTED = [("a-1", Outcome.COMMITTED, None)]


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def stage(device: Device, **wish: object) -> Runner:
    device.assign(device.wish("1.1", "a-1", **wish))
    agent = device.start_agent()
    device.play(agent, 60.0, lambda: agent.record.state is S.STAGED)
    assert agent.record.state is S.STAGED
    return agent


def interrupt(device: Device, how: str) -> Runner:
    """The agent alone, or the whole machine, starts anew."""
    if how == "power cut":
        device.cut_power()
    elif how == "restart":
        device.restart(Cause.CLEAN_RESTART)
    agent = device.start_agent()
    device.play(agent, 60.0)
    return agent


@pytest.mark.parametrize("how", ["agent", "power cut", "restart"])
def test_a_staged_release_waits_on_after_an_interruption_and_is_not_fetched_again(device: Device, how: str) -> None:
    stage(device, activate=False)
    fetched = list(device.downloader.fetched)

    agent = interrupt(device, how)
    again = interrupt(device, how)

    assert (agent.record.state, again.record.state) == (S.STAGED, S.STAGED)
    assert device.downloader.fetched == fetched
    assert (device.running_version(), again.record.starts) == ("1.0", 0)


@pytest.mark.parametrize("how", ["agent", "power cut", "restart"])
def test_the_order_to_activate_is_followed_after_an_interruption(device: Device, how: str) -> None:
    stage(device, activate=False)
    agent = interrupt(device, how)
    fetched = list(device.downloader.fetched)

    device.assign(device.wish("1.1", "a-1", activate=True))
    agent.post(Connected())
    device.run_until_idle(agent)

    assert device.server.outcomes() == COMMITTED
    assert device.downloader.fetched == fetched
    assert device.running_version() == "1.1"


def test_an_order_that_came_while_the_device_was_off_is_followed_when_it_returns(device: Device) -> None:
    stage(device, activate=False)
    device.assign(device.wish("1.1", "a-1", activate=True))

    device.cut_power()
    device.run_until_idle(device.start_agent())

    assert device.server.outcomes() == COMMITTED


@pytest.mark.parametrize("how", ["agent", "power cut", "restart"])
def test_a_window_is_kept_over_an_interruption(device: Device, how: str) -> None:
    stage(device, windows=SOON)
    agent = interrupt(device, how)
    device.play(agent, 60.0)
    assert (agent.record.state, device.running_version()) == (S.STAGED, "1.0")

    device.run_until_idle(agent)

    assert device.server.outcomes() == COMMITTED
    assert device.world.utc().isoformat() > "2030-01-01T00:20"


def test_a_window_that_passed_while_the_device_was_off_is_refused_and_the_slot_emptied(device: Device) -> None:
    stage(device, windows=SOON)

    device.cut_power()
    device.world.now += 7200.0
    device.run_until_idle(device.start_agent())

    assert device.server.outcomes() == [("a-1", Outcome.REFUSED, "window_over")]
    assert device.slots.installed(SlotName.B) is None
    assert device.running_version() == "1.0"


def test_an_order_without_an_open_window_waits_for_it(device: Device) -> None:
    stage(device, activate=False, windows=SOON)

    device.assign(device.wish("1.1", "a-1", activate=True, windows=SOON))
    device.cut_power()
    agent = device.start_agent()
    device.play(agent, 60.0)

    assert agent.record.state is S.STAGED


def test_a_staged_slot_that_rotted_meanwhile_is_found_before_it_is_switched_to(device: Device) -> None:
    stage(device, activate=False)
    file = device.slots.path(SlotName.B) / "run"
    file.chmod(0o755)
    file.write_bytes(b"rot")

    device.server.bundle = None
    device.cut_power()
    agent = device.start_agent()
    device.play(agent, 120.0, lambda: bool(device.server.outcomes()))

    assert device.server.outcomes()[0] == ("a-1", Outcome.FAILED, "slot_corrupt")
    assert "1.1" not in device.application.starts


def test_a_staged_release_that_is_withdrawn_while_the_device_is_off_is_never_switched_to(device: Device) -> None:
    stage(device, activate=False)
    device.assign()

    device.cut_power()
    agent = device.start_agent()
    device.play(agent, 120.0, lambda: bool(device.server.outcomes()))

    assert device.server.outcomes() == [("a-1", Outcome.CANCELLED, "cancelled_by_order")]
    assert device.running_version() == "1.0"
