"""A committed slot that is damaged and cannot start is left for the other one, where that is better; none other is."""

from __future__ import annotations

import dataclasses

import pytest

from surefoot_agent import events as e
from surefoot_agent import settle, sight
from surefoot_agent.sight import Hands
from surefoot_agent.trial import Verdict
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import DataHandling
from surefoot_shared.status import SlotName, SlotState
from tests.agent.fakes import Device
from tests.agent.test_sight import put
from tests.agent.test_trial import TRIAL

pytestmark = pytest.mark.usefixtures("unsynced")

A, B = SlotName.A, SlotName.B


@pytest.fixture
def rotten(device: Device, hands: Hands) -> Hands:
    """1.1 was committed in B, where a file has rotted since: its application is gone and cannot be started."""
    put(device, B, "1.1")
    device.boot_control.set_primary(B)
    device.boot_control.set_state(B, SlotState.GOOD)
    (device.slots.path(B) / "run").write_bytes(b"rot")
    device.application.process = None
    device.application.will_not_start = {"1.1"}
    return hands


def test_a_committed_slot_that_is_damaged_and_cannot_start_is_left_for_the_good_one(
    device: Device, rotten: Hands
) -> None:
    left = settle.ensure_running(rotten)

    assert isinstance(left, e.FellBack)
    assert left.running == sight.committed(rotten)
    assert "files of slot B are not as signed: run. Its application could not be started" in left.message
    assert (device.running_version(), device.linked_version()) == ("1.0", "1.0")
    assert device.boot_control.state(B) is SlotState.BAD
    assert settle.ensure_running(rotten) is None


def test_what_an_interpreter_left_beside_a_release_is_no_damage_of_either_slot(device: Device, rotten: Hands) -> None:
    for slot in SlotName:
        (device.slots.path(slot) / "__pycache__").mkdir()
        (device.slots.path(slot) / "__pycache__" / "run.pyc").write_bytes(b"compiled")

    assert isinstance(settle.ensure_running(rotten), e.FellBack)
    assert device.running_version() == "1.0"


def test_a_release_that_is_whole_and_does_not_start_is_not_left(device: Device, rotten: Hands) -> None:
    put(device, B, "1.1")  # as it was signed
    (device.slots.path(B) / "stray").write_bytes(b"")

    with pytest.raises(InstallFailed, match="does not start"):
        settle.ensure_running(rotten)

    assert device.linked_version() == "1.1"


@pytest.mark.parametrize("why", ["other is damaged", "other is bad", "a trial is open", "an attempt is under way"])
def test_nothing_is_left_for_what_is_no_better_or_while_somebody_may_go_back(
    device: Device, rotten: Hands, why: str
) -> None:
    if why == "other is damaged":
        (device.slots.path(A) / "run").write_bytes(b"rot")
    if why == "other is bad":
        device.boot_control.set_state(A, SlotState.BAD)
    if why == "a trial is open":
        device.trials._write(dataclasses.replace(TRIAL, verdict=Verdict.GUARD))

    with pytest.raises(InstallFailed):
        settle.ensure_running(rotten, alone=why != "an attempt is under way")

    assert device.linked_version() == "1.1"


def test_nothing_is_left_where_the_data_were_migrated_for_it(device: Device, rotten: Hands) -> None:
    device.publish("1.1", DataHandling(forward=("run",), backward=("run",)))
    put(device, B, "1.1")
    (device.slots.path(B) / "run").write_bytes(b"rot")

    with pytest.raises(InstallFailed):
        settle.ensure_running(rotten)

    assert device.linked_version() == "1.1"
