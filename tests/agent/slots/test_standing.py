"""What is said of the slots where marks and contents agree, and where they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.slots.standing import finding
from surefoot_shared.status import SlotName, SlotState


def test_marks_with_their_releases_behind_them_are_well() -> None:
    found = finding({"A": "good", "B": "bad"}, {"A": "1.0", "B": "1.1"}, {}, "A", None)

    assert (found.ok, found.message) == (True, "A: good, 1.0; B: bad, 1.1.")


def test_a_new_device_with_two_empty_slots_is_well() -> None:
    assert finding({"A": "empty", "B": "empty"}, {"A": None, "B": None}, {}, "A", None).ok


@pytest.mark.parametrize("slot", ["A", "B"])
def test_a_release_of_which_boot_control_knows_nothing_is_told(slot: str) -> None:
    releases = {"A": None, "B": None, slot: "1.3"}

    found = finding({"A": "empty", "B": "empty"}, releases, {}, "A", None)

    assert not found.ok
    assert f"knows nothing of the release in slot {slot}" in found.message
    assert "boot.0" in found.hint


def test_a_record_of_which_both_generations_are_garbled_is_found(tmp_path: Path) -> None:
    boot = SymlinkBoot(tmp_path)
    for state in (SlotState.BAD, SlotState.GOOD):
        boot.set_state(SlotName.A, state)
    for generation in (0, 1):
        (tmp_path / f"boot.{generation}").write_bytes(b"garbage")

    found = finding(guard.slot_states(tmp_path), {"A": "1.3", "B": None}, {}, "A", None)

    assert not found.ok


def test_a_running_slot_marked_bad_is_told_unless_it_is_on_trial() -> None:
    states, releases = {"A": "good", "B": "bad"}, {"A": "1.0", "B": "1.1"}

    assert not finding(states, releases, {}, "B", None).ok
    assert finding(states, releases, {}, "B", "B").ok


def test_a_slot_marked_good_that_is_not_whole_is_told() -> None:
    found = finding({"A": "good", "B": "good"}, {"A": "1.0", "B": None}, {}, "A", None)

    assert (found.ok, "Slot B is marked good and is not whole" in found.message) == (False, True)


def test_marks_that_cannot_be_read_are_told() -> None:
    found = finding({}, {"A": "1.0", "B": None}, {}, "A", None)

    assert (found.ok, found.message) == (False, "Boot control cannot be read.")
