"""At rest the application of the current slot runs; only a committed slot that is damaged is left for the other."""

from __future__ import annotations

import dataclasses

import pytest

from surefoot_agent import settle
from surefoot_agent.boot.fake import COUNTER, ONE_SHOT, FakeBoot
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.downlink import Connected
from surefoot_agent.sight import Hands
from surefoot_shared.errors import SurefootError
from surefoot_shared.messages import EventKind
from surefoot_shared.status import AttemptState, Outcome, SlotName, SlotState
from tests.agent.fakes import Device
from tests.agent.test_sight import put

pytestmark = pytest.mark.usefixtures("unsynced")

A, B = SlotName.A, SlotName.B


def test_an_application_that_does_not_run_from_the_current_slot_is_started_there(device: Device, hands: Hands) -> None:
    put(device, B, "1.1")
    device.application.start(B, device.manifests["1.1"])

    settle.ensure_running(hands)
    settle.ensure_running(hands)

    assert device.application.starts == ["1.0", "1.1", "1.0"]


def test_an_empty_device_starts_nothing(device: Device, hands: Hands) -> None:
    device.application.process = None
    device.slots.clear(A)

    settle.ensure_running(hands)

    assert device.application.process is None


def test_boot_control_hears_that_its_committed_slot_came_up(device: Device, hands: Hands) -> None:
    boot = FakeBoot(nature=COUNTER)
    boot.commit(A)

    settle.ensure_running(dataclasses.replace(hands, boot=boot))

    assert (boot.commits, boot.primary()) == ([A, A], A)


def test_a_slot_that_waits_to_be_tried_is_not_taken_back_by_the_committed_one(device: Device, hands: Hands) -> None:
    boot = FakeBoot(nature=COUNTER)
    boot.commit(A)
    boot.arm_trial(B)

    settle.ensure_running(dataclasses.replace(hands, boot=boot))

    assert boot.primary() is B


def test_a_slot_on_trial_is_not_committed_by_its_start(device: Device, hands: Hands) -> None:
    boot = FakeBoot(nature=ONE_SHOT)
    boot.set_state(B, SlotState.BAD)
    boot.arm_trial(B)
    boot.restart()

    settle.ensure_running(dataclasses.replace(hands, boot=boot))

    assert (boot.state(B), boot.restart()) == (SlotState.BAD, A)


def test_a_running_agent_leaves_the_slot_within_a_minute_and_says_so(device: Device) -> None:
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))
    device.run_until_idle(agent)
    (device.slots.path(B) / "run").write_bytes(b"rot")
    device.application.process = None
    device.application.will_not_start = {"1.1"}

    device.play(agent, 70.0)

    assert device.running_version() == "1.0"
    assert [event.kind for event in device.server.events.values()][-1] is EventKind.FELL_BACK
    assert agent.record.state is AttemptState.IDLE
    assert agent.record.committed is not None
    assert agent.record.committed.release == "1.0"


def test_a_link_that_is_lost_is_mended_by_the_agent_that_runs_once_nothing_runs(device: Device) -> None:
    agent = device.start_agent()
    device.play(agent, 5.0)
    (device.component_dir / "current").unlink()
    with pytest.raises(SurefootError):
        settle.ensure_running(device.hands())  # what runs is not disturbed
    device.application.process = None

    device.play(agent, 180.0)

    assert device.running_version() == "1.0"
    assert SymlinkBoot(device.component_dir).current() is A
    assert agent.record.state is AttemptState.IDLE


def test_a_device_whose_way_back_is_gone_takes_a_release_that_works(device: Device) -> None:
    agent = device.start_agent()
    device.health.sick = {"1.1"}
    device.assign(device.wish("1.1", "a-1"))
    device.play(agent, 60.0, lambda: agent.record.state is AttemptState.PROBATION)
    device.application.will_not_start = {"1.0"}
    device.play(agent, 3600.0, lambda: agent.record.state is AttemptState.RESCUE)

    device.assign(device.wish("1.2", "a-2"))
    agent.post(Connected())
    device.play(agent, 600.0, lambda: device.running_version() == "1.2" and agent.record.state is AttemptState.IDLE)

    assert [(a, o) for a, o, _ in device.server.outcomes()] == [
        ("a-1", Outcome.FAILED),
        ("a-2", Outcome.COMMITTED),
    ]
