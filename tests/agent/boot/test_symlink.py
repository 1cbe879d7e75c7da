from __future__ import annotations

import os
from pathlib import Path

import pytest

from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.ports import BootControl
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName, SlotState
from tests.agent.boot.contract import BootContract

A, B = SlotName.A, SlotName.B


@pytest.fixture
def boot(tmp_path: Path) -> SymlinkBoot:
    return SymlinkBoot(tmp_path)


class TestContract(BootContract):
    def enter(self, boot: BootControl) -> None:
        """A directory slot is entered by the flip itself."""


def test_everything_survives_a_new_process(boot: SymlinkBoot, tmp_path: Path) -> None:
    boot.set_state(B, SlotState.GOOD)
    boot.set_primary(B)

    again = SymlinkBoot(tmp_path)

    assert (again.current(), again.state(B)) == (B, SlotState.GOOD)
    assert os.readlink(tmp_path / "current") == "slots/B"


@pytest.mark.parametrize("target", ["slots/C", "/elsewhere/slots/A", "slots/../slots/A"])
def test_a_link_that_points_elsewhere_is_said_and_left_alone(boot: SymlinkBoot, tmp_path: Path, target: str) -> None:
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to(target)

    with pytest.raises(InstallFailed):
        SymlinkBoot(tmp_path).current()

    assert os.readlink(tmp_path / "current") == target


def test_a_lost_link_of_a_device_with_history_is_not_guessed(boot: SymlinkBoot, tmp_path: Path) -> None:
    boot.set_state(B, SlotState.GOOD)
    (tmp_path / "current").unlink()

    with pytest.raises(InstallFailed, match="nothing was changed"):
        SymlinkBoot(tmp_path).current()


def test_a_torn_write_of_the_states_leaves_the_states_before(boot: SymlinkBoot, tmp_path: Path) -> None:
    boot.set_state(A, SlotState.GOOD)
    before = {p.name: p.read_bytes() for p in tmp_path.glob("boot.*")}
    boot.set_state(B, SlotState.BAD)
    written = next(p for p in tmp_path.glob("boot.*") if before.get(p.name) != p.read_bytes())
    whole = written.read_bytes()

    for length in range(len(whole)):
        written.write_bytes(whole[:length])
        assert (boot.state(A), boot.state(B)) == (SlotState.GOOD, SlotState.EMPTY)


def test_a_word_that_no_version_wrote_counts_as_bad(boot: SymlinkBoot, tmp_path: Path) -> None:
    from surefoot_agent import guard

    guard.save_record(tmp_path, "boot", {"A": "good", "B": "sparkling"})

    assert boot.state(B) is SlotState.BAD


def test_a_temporary_link_left_by_a_kill_does_no_harm(boot: SymlinkBoot, tmp_path: Path) -> None:
    (tmp_path / "current.tmp").symlink_to("slots/A")

    boot.arm_trial(B)

    assert boot.current() is B
