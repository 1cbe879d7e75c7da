"""packaging/grub/surefoot.cfg run by Debian's GRUB: every case of the table, and what only GRUB can get wrong."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from surefoot_simulators.bootloader import grubenv
from surefoot_simulators.bootloader.grubenv import Copies
from tests.simulators.bootloader.cases import CASES, NAMES
from tests.simulators.bootloader.grub import SNIPPET, Machine

pytestmark = [pytest.mark.slow, pytest.mark.needs("grub-emu", "grub-editenv", "mkfs.ext2")]

GOOD = {"surefoot_canary": "1", "surefoot_slot": "A", "surefoot_a": "good", "surefoot_b": "good", "surefoot_limit": "8"}
ARMED = {**GOOD, "surefoot_try": "B", "surefoot_left": "3"}


@pytest.fixture
def copies(tmp_path: Path) -> Copies:
    made = Copies((tmp_path / "copy0", tmp_path / "copy1"))
    for path in made.paths:
        subprocess.run(["grub-editenv", str(path), "create"], check=True)
    return made


@pytest.fixture
def machine(tmp_path: Path, copies: Copies) -> Machine:
    return Machine(tmp_path / "machine", copies.paths)


def filled(copies: Copies, *writes: Mapping[str, str]) -> None:
    for variables in writes:
        copies.write(variables)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_grub_decides_as_the_table_says(case: Mapping[str, object], machine: Machine, copies: Copies) -> None:
    if case["finds"] is not None:
        filled(copies, case["finds"], case["finds"])  # type: ignore[arg-type]  # the table's

    started = machine.start(case["kernels"])  # type: ignore[arg-type]

    assert (started.entered, copies.read()) == (case["enters"], case["leaves"]), started.console
    assert "error" not in started.console


def test_what_grub_wrote_is_what_the_real_tool_lists(machine: Machine, copies: Copies) -> None:
    filled(copies, ARMED, ARMED)

    machine.start()

    listed = subprocess.run(["grub-editenv", str(copies.paths[1]), "list"], capture_output=True, text=True, check=True)
    older = subprocess.run(["grub-editenv", str(copies.paths[0]), "list"], capture_output=True, text=True, check=True)
    assert {"surefoot_left=2", "surefoot_left=3"} <= {*listed.stdout.split("\n"), *older.stdout.split("\n")}


@pytest.mark.parametrize("turns", [1, 2, 3, 4])
def test_the_newer_copy_counts_and_the_older_is_written(turns: int, machine: Machine, copies: Copies) -> None:
    filled(copies, *[{**GOOD, "surefoot_slot": "AB"[n % 2]} for n in range(turns + 1)])
    newest = "AB"[turns % 2]
    before = [path.read_bytes() for path in copies.paths]

    started = machine.start()

    assert started.entered == newest, started.console
    assert sum(path.read_bytes() != was for path, was in zip(copies.paths, before, strict=True)) == 1
    assert (copies.read() or {})["surefoot_starts"] == "1"


def test_however_a_copy_is_torn_grub_takes_the_same_one_as_linux(machine: Machine, copies: Copies) -> None:
    """Each length that `grub-editenv` may leave, and each byte up to which an in-place write may come."""
    filled(copies, GOOD, GOOD)
    older = copies.paths[0] if b"begin=0" in copies.paths[1].read_bytes() else copies.paths[1]
    before = [path.read_bytes() for path in copies.paths]
    was = older.read_bytes()
    filled(copies, ARMED)
    now = next(path for path, old in zip(copies.paths, before, strict=True) if path.read_bytes() != old)
    new, was = now.read_bytes(), before[copies.paths.index(now)]
    kept = next(path for path in copies.paths if path != now)
    cuts = [*range(0, 330, 11), 329, 512, 1023]

    for torn in [*(new[:n] for n in cuts), *(new[:n] + was[n:] for n in cuts)]:
        now.write_bytes(torn)
        kept.write_bytes(before[copies.paths.index(kept)])
        expected = (copies.read() or {}).get("surefoot_try")

        started = machine.start()

        assert started.entered == ("B" if expected == "B" else "A"), (torn[:400], started.console)


def test_a_trial_whose_start_cannot_be_counted_is_not_entered(machine: Machine, copies: Copies) -> None:
    filled(copies, GOOD, ARMED)
    older = next(path for path in copies.paths if b"try=B" not in path.read_bytes())
    older.write_bytes(b"")

    started = machine.start()

    assert started.entered == "A", started.console
    assert "cannot be counted" in started.console


def test_the_snippet_is_grub_script() -> None:
    assert subprocess.run(["grub-script-check", str(SNIPPET)], check=False).returncode == 0


def test_variables_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        grubenv.encode({"surefoot_a": "x" * 1000})
