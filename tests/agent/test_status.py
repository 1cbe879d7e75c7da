from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from surefoot_agent.boot.fake import FakeBoot
from surefoot_agent.downlink import Connected
from surefoot_agent.status import read_status
from surefoot_shared import wire
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import AttemptState, SlotName, SlotState
from tests.agent.fakes import Device

pytestmark = pytest.mark.usefixtures("unsynced")


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def test_it_reads_a_running_agent_without_disturbing_it(device: Device) -> None:
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))
    device.play(agent, 60.0, lambda: agent.record.state is AttemptState.PROBATION)

    status = read_status(device.folder, "app")

    assert (status.state, status.wanted, status.assignment) == (AttemptState.PROBATION, "1.1", "a-1")
    assert (status.committed, status.boot_slot, status.previous_kept) == ("1.0", "B", True)
    device.run_until_idle(agent)


def test_after_the_attempt_it_says_how_that_ended(device: Device) -> None:
    device.health.sick = {"1.1"}
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))
    agent.post(Connected())
    device.run_until_idle(agent)

    status = read_status(device.folder, "app")

    assert (status.state, status.wanted) == (AttemptState.IDLE, None)
    assert (status.last_assignment, status.last_outcome, status.last_reason) == ("a-1", "reverted", "health_failed")
    assert status.slots == {"A": "good", "B": "bad"}


def test_only_a_live_process_is_said_to_run(device: Device) -> None:
    device.start_agent()

    status = read_status(device.folder, "app")

    assert (status.running_slot, status.running_pid) == (None, None)  # the simulated one is no process


def test_a_device_that_never_ran_an_agent_is_idle(tmp_path: Path) -> None:
    status = read_status(tmp_path, "app")

    assert (status.state, status.committed, status.boot_slot) == (AttemptState.IDLE, None, None)
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_journal_is_said_and_nothing_is_made_up(device: Device) -> None:
    (device.folder / "journal.db").write_bytes(b"rot" * 3000)

    status = read_status(device.folder, "app")

    assert (status.journal_readable, status.state) == (False, AttemptState.RESCUE)
    assert status.slots["A"] == "good"


def test_the_bootloader_is_asked_where_a_restart_switches(device: Device) -> None:
    boot = FakeBoot()
    boot.set_state(SlotName.A, SlotState.GOOD)

    status = read_status(device.folder, "app", boot=lambda: boot)

    assert (status.boot_slot, status.running_slot) == (boot.current().value,) * 2
    assert status.slots == {slot.value: boot.state(slot).value for slot in SlotName}


def test_a_bootloader_that_does_not_answer_is_no_empty_slot(device: Device) -> None:
    def broken() -> FakeBoot:
        raise InstallFailed("boot_control_failed", "There is no fw_printenv.")

    status = read_status(device.folder, "app", boot=broken)

    assert (status.boot_slot, status.slots) == (None, {})


def test_what_is_held_back_shows_though_nothing_waits(device: Device) -> None:
    device.start_agent()
    assert device.journal is not None
    device.journal.set_locked(True)  # type: ignore[attr-defined]

    status = read_status(device.folder, "app")

    assert status.waits == ""
    assert "unlock" in status.held


def test_it_says_whether_agent_and_guard_are_there(device: Device) -> None:
    with (device.component_dir / "guard.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status = read_status(device.folder, "app")

    assert (status.agent_runs, status.guard_runs) == (False, True)


def test_it_has_a_plain_json_form(device: Device) -> None:
    status = read_status(device.folder, "app")

    plain = wire.to_json(status)

    assert isinstance(plain, dict)
    assert plain["state"] == "idle"
    assert plain["v"] == 1
