"""Every boot control has a name by which a component asks for it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent.boot.select import ROWS, argument_of, boot_of, names_of
from surefoot_agent.boot.symlink import SymlinkBoot
from surefoot_agent.boot.uboot import UBoot
from surefoot_agent.components import ComponentSettings, fitted
from surefoot_shared.errors import ConfigError, InstallFailed
from surefoot_shared.status import SlotName


def test_the_symlink_boot_control_works_in_the_folder_of_its_component(tmp_path: Path) -> None:
    boot = boot_of(ComponentSettings(boot="symlink"), tmp_path / "app")

    boot.set_primary(SlotName.B)

    assert isinstance(boot, SymlinkBoot)
    assert (tmp_path / "app" / "current").readlink() == Path("slots/B")


IMAGE = ComponentSettings(kind="image", boot="uboot")


@pytest.mark.parametrize("kind", ["tryboot", "jetson", "efi", "systemd-boot", "grub", "uboot"])
def test_every_board_is_made_of_its_settings_alone(kind: str, tmp_path: Path) -> None:
    told = fitted("rootfs", replace(IMAGE, boot=kind, slot_a="/dev/a", slot_b="/dev/b"))

    boot = boot_of(told, tmp_path)

    assert boot.capabilities().needs_restart
    with pytest.raises(InstallFailed):  # none of these boards is here
        boot.primary()


@pytest.mark.parametrize(
    ("told", "names", "argument", "tries"),
    [
        (IMAGE, ("A", "B"), "surefoot.slot", 3),
        (replace(IMAGE, boot_variables="rauc", boot_slots="system0 system1"), ("system0", "system1"), "rauc.slot", 3),
        (replace(IMAGE, boot_variables="mender", boot_tries=5), ("2", "3"), "root", 5),
        (replace(IMAGE, boot_argument="ota.slot"), ("A", "B"), "ota.slot", 3),
    ],
)
def test_each_set_of_variables_takes_its_own_for_granted(
    told: ComponentSettings, names: tuple[str, str], argument: str, tries: int, tmp_path: Path
) -> None:
    boot = boot_of(told, tmp_path)

    assert isinstance(boot, UBoot)
    assert (names_of(told).a, names_of(told).b) == names
    assert argument_of(told) == argument
    assert boot.capabilities().tries == tries


def test_a_script_is_asked_for_the_running_slot_unless_the_command_line_tells_it() -> None:
    told = replace(IMAGE, boot="script", boot_script="/usr/lib/board/boot")

    assert argument_of(told) == ""
    assert argument_of(replace(told, boot_argument="rauc.slot")) == "rauc.slot"


def test_a_script_is_made_from_its_path_and_names(tmp_path: Path) -> None:
    script = tmp_path / "board"
    script.write_text("#!/bin/sh\necho two\n")
    script.chmod(0o755)
    told = replace(IMAGE, boot="script", boot_script=str(script), boot_slots="one two")

    assert boot_of(told, tmp_path / "rootfs").current() is SlotName.B


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (replace(IMAGE, boot="script"), "boot_script must say"),
        (replace(IMAGE, boot_slots="one two"), "call the slots A and B"),
        (replace(IMAGE, boot_variables="mender", boot_slots="a b"), "partition numbers"),
        (replace(IMAGE, boot="tryboot", boot_slots="a b"), "numbers of two boot partitions"),
        (replace(IMAGE, boot="tryboot", boot_argument="root"), "the device tree says"),
        (replace(IMAGE, boot="systemd-boot", boot_slots="a 'b c'"), "only labels of UEFI entries have spaces"),
        (replace(IMAGE, boot="jetson", boot_slots="1 2"), "nvbootctrl knows slots 0 and 1"),
        (replace(IMAGE, boot="systemd-boot", boot_files="/a /b"), "must name one place"),
        (replace(IMAGE, boot="grub", boot_files="/a"), "must name two different files"),
        (replace(IMAGE, boot="grub", boot_variables="rauc"), "must be surefoot or mender"),
        (replace(IMAGE, boot="grub", boot_slots="1 2"), "must be left out"),
        (replace(IMAGE, boot="grub", boot_variables="mender", boot_tries=5), "grant one start"),
        (replace(IMAGE, boot="grub", boot_variables="mender", boot_slots="a b"), "two partition numbers"),
        (replace(IMAGE, kind="directory"), "cannot switch a component of kind 'directory'"),
        (replace(IMAGE, boot="symlink"), "cannot switch a component of kind 'image'"),
    ],
)
def test_what_does_not_fit_is_refused_when_it_is_loaded(told: ComponentSettings, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        fitted("rootfs", told)


@pytest.mark.parametrize("text", ["A", "A A", "A B C", "'A B'", "'A B", "A ''", "A ' B'", "'A' A"])
def test_two_different_names_are_asked_for(text: str) -> None:
    rule = next(row.rule for row in ROWS if row.key == "boot_slots")

    assert rule is not None
    assert rule(text) == "two different names"
    assert rule("A B") is rule("") is rule("'Surefoot A' \"Surefoot B\"") is None


def test_nothing_is_imported_before_it_is_used() -> None:
    asked = "import sys, surefoot_agent.boot.select; print([m for m in sys.modules if 'surefoot_agent.boot.' in m])"

    shown = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout

    assert shown.strip() == "['surefoot_agent.boot.select']"
