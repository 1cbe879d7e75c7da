"""packaging/uboot/boot.cmd on a real U-Boot: every case of the table, and what only the script can get wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from surefoot_simulators.bootloader.environment import encode
from tests.simulators.bootloader import machine
from tests.simulators.bootloader.cases import CASES, NAMES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("qemu-system-aarch64", "mkimage", "mkenvimage", "mkfs.ext4", "sfdisk", machine.FIRMWARE),
]

AB = ("A", "B")
GOOD = {"surefoot_canary": "1", "surefoot_slot": "B", "surefoot_a": "good", "surefoot_b": "good", "surefoot_limit": "8"}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    machine.build(folder)
    return folder


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_the_boot_script_decides_as_the_table_says(case: Mapping[str, object], parts: Path, tmp_path: Path) -> None:
    started = machine.start(parts, tmp_path, case["finds"], case["kernels"])  # type: ignore[arg-type]  # the table's

    assert (started.entered, started.variables) == (case["enters"], case["leaves"]), started.console
    assert "syntax error" not in started.console


def test_a_committed_slot_whose_kernel_is_junk_is_left_for_a_good_one(parts: Path, tmp_path: Path) -> None:
    started = machine.start(parts, tmp_path, GOOD, ["A"], junk=["B"])

    assert started.entered == "A", started.console
    assert started.variables is not None
    assert (started.variables["surefoot_slot"], started.variables["surefoot_b"]) == ("A", "bad")


def test_two_junk_kernels_end_in_a_reset_and_are_not_tried_in_turns(parts: Path, tmp_path: Path) -> None:
    first = machine.start(parts, tmp_path, GOOD, [], junk=AB)
    second = machine.start(parts, tmp_path, first.variables, [], junk=AB)

    assert (first.entered, second.entered) == (None, None)
    assert first.variables is not None
    assert second.variables == {**first.variables, "surefoot_starts": "1"}


@pytest.mark.parametrize(("flags", "newer"), [((1, 2), 1), ((2, 1), 0), ((255, 0), 1), ((0, 255), 0), ((7, 7), 0)])
def test_the_newer_copy_counts_and_the_older_is_written(
    flags: tuple[int, int], newer: int, parts: Path, tmp_path: Path
) -> None:
    copies = [encode(flag, {**GOOD, "surefoot_slot": slot}) for flag, slot in zip(flags, AB, strict=True)]

    started = machine.start_on(parts, tmp_path, b"".join(copies), AB)

    assert started.entered == AB[newer], started.console
    left = (tmp_path / "bootstate").read_bytes()
    assert left[newer * 0x1000 : (newer + 1) * 0x1000] == copies[newer]
    assert left[(1 - newer) * 0x1000 + 4] == (flags[newer] + 1) % 256


@pytest.mark.parametrize("damaged", [0, 1])
def test_a_damaged_copy_is_passed_over(damaged: int, parts: Path, tmp_path: Path) -> None:
    copies = [encode(flag, {**GOOD, "surefoot_slot": slot}) for flag, slot in ((5, "A"), (6, "B"))]
    copies[damaged] = copies[damaged][:100] + bytes([copies[damaged][100] ^ 1]) + copies[damaged][101:]

    started = machine.start_on(parts, tmp_path, b"".join(copies), AB)

    assert started.entered == AB[1 - damaged], started.console


def test_a_variable_that_the_newer_copy_lacks_does_not_come_back_from_the_older(parts: Path, tmp_path: Path) -> None:
    armed = encode(5, {**GOOD, "surefoot_try": "A", "surefoot_left": "3"})

    started = machine.start_on(parts, tmp_path, armed + encode(6, GOOD), AB)

    assert started.entered == "B", started.console
    assert "surefoot_try" not in (started.variables or {})
