from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.boot.cmdline import arguments, current_slot
from surefoot_agent.boot.variables import Names
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName

A, B = SlotName.A, SlotName.B
LETTERS, NUMBERS = Names("A", "B"), Names("2", "3")


def found(tmp_path: Path, line: str, key: str, names: Names) -> SlotName:
    file = tmp_path / "cmdline"
    file.write_text(f"{line}\n")
    return current_slot(key, names, file)


@pytest.mark.parametrize(
    ("line", "key", "names", "slot"),
    [
        ("quiet surefoot.slot=B panic=5", "surefoot.slot", LETTERS, B),
        ("rauc.slot=system1", "rauc.slot", Names("system0", "system1"), B),
        ("root=/dev/mmcblk0p2 ro", "root", NUMBERS, A),
        ("root=/dev/mmcblk0p12 ro", "root", Names("2", "12"), B),
        ("root=PARTLABEL=slot_b ro", "root", LETTERS, B),
        ("surefoot.slot=A surefoot.slot=B", "surefoot.slot", LETTERS, B),
    ],
)
def test_the_slot_is_the_one_that_the_bootloader_named(
    tmp_path: Path, line: str, key: str, names: Names, slot: SlotName
) -> None:
    assert found(tmp_path, line, key, names) is slot


@pytest.mark.parametrize(
    ("line", "key", "names"),
    [
        ("quiet panic=5", "surefoot.slot", LETTERS),
        ("surefoot.slot", "surefoot.slot", LETTERS),
        ("surefoot.slot=", "surefoot.slot", LETTERS),
        ("xsurefoot.slot=A", "surefoot.slot", LETTERS),
        ("surefoot.slot=C", "surefoot.slot", LETTERS),
        ("root=/dev/mmcblk0p12", "root", NUMBERS),
        ("root=PARTLABEL=data", "root", LETTERS),
        ("root=UUID=3f0c-2b", "root", LETTERS),
        ("root=overlay", "root", NUMBERS),
    ],
)
def test_what_names_no_slot_is_not_guessed(tmp_path: Path, line: str, key: str, names: Names) -> None:
    with pytest.raises(InstallFailed, match="names no slot") as caught:
        found(tmp_path, line, key, names)

    assert caught.value.kind == "boot_control_failed"


def test_a_command_line_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InstallFailed, match="cannot be read"):
        current_slot("surefoot.slot", LETTERS, tmp_path / "absent")


def test_every_value_of_a_key_is_found_and_no_others() -> None:
    assert arguments("a=1 b=2 a= aa=3 a=x=y a", "a") == ["1", "", "x=y"]
