from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.ports import Capabilities, Counts
from surefoot_agent.way_back import WayBack, kernel_mark, restarts, way_back
from surefoot_shared.status import SlotName


class Board(SymlinkBoot):
    """A board that is switched by a restart."""

    def capabilities(self) -> Capabilities:
        return Capabilities(needs_restart=True, counts=Counts.EVERY_START, tries=3)


class CommandedBoard(Board):
    def way_back(self, slot: SlotName) -> tuple[tuple[str, ...], ...]:
        return (("/usr/bin/fw_setenv", "BOOT_ORDER", slot.value),)


def installed(system: Path, *names: str) -> Path:
    for name in names:
        (system / name).parent.mkdir(parents=True, exist_ok=True)
        (system / name).write_text("")
        (system / name).chmod(0o755)
    (system / "proc").mkdir()
    (system / "proc/cmdline").write_text("quiet root=/dev/mmcblk0p2 rw\n")
    return system


def test_a_component_that_needs_no_restart_needs_no_commands(tmp_path: Path) -> None:
    assert way_back(SymlinkBoot(tmp_path), SlotName.A) == WayBack()


def test_a_board_says_how_it_is_led_back_from_outside(tmp_path: Path) -> None:
    system = installed(tmp_path / "root", "usr/sbin/reboot")

    found = way_back(CommandedBoard(tmp_path / "board"), SlotName.A, system)

    assert found.machine
    assert found.back == (("/usr/bin/fw_setenv", "BOOT_ORDER", "A"),)
    assert found.previous_mark == "root=/dev/mmcblk0p2"
    assert way_back(Board(tmp_path / "mute"), SlotName.A, system).back == ()


def test_systemd_is_asked_first_and_forced_last(tmp_path: Path) -> None:
    installed(tmp_path, "usr/bin/systemctl", "usr/sbin/reboot")
    (tmp_path / "run/systemd/system").mkdir(parents=True)

    commands = restarts(tmp_path)

    assert commands == (
        (f"{tmp_path}/usr/bin/systemctl", "--no-block", "reboot"),
        (f"{tmp_path}/usr/bin/systemctl", "reboot", "--force"),
        (f"{tmp_path}/usr/sbin/reboot", "-f"),
    )


def test_another_init_is_told_by_its_own_reboot(tmp_path: Path) -> None:
    installed(tmp_path, "usr/bin/systemctl", "sbin/reboot")

    assert restarts(tmp_path) == ((f"{tmp_path}/sbin/reboot",), (f"{tmp_path}/sbin/reboot", "-f"))


@pytest.mark.parametrize(
    ("cmdline", "mark"),
    [
        ("quiet root=/dev/mmcblk0p2 rw", "root=/dev/mmcblk0p2"),
        ("root=/dev/dm-0 rauc.slot=A", "rauc.slot=A"),
        ("quiet", ""),
    ],
)
def test_the_slot_is_known_by_the_most_telling_word_of_the_kernels_command_line(cmdline: str, mark: str) -> None:
    assert kernel_mark(cmdline) == mark
