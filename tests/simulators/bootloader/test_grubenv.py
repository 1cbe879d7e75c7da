from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from surefoot_simulators.bootloader.grubenv import Copies


@pytest.fixture
def copies(tmp_path: Path) -> Copies:
    made = Copies((tmp_path / "copy0", tmp_path / "copy1"))
    made.format()
    return made


def test_new_copies_hold_nothing(copies: Copies) -> None:
    assert copies.read() is None


def test_each_write_goes_to_the_older_copy_and_is_the_newer_one_then(copies: Copies) -> None:
    for n in range(7):
        before = [path.read_bytes() for path in copies.paths]
        copies.write({"surefoot_slot": "A", "surefoot_starts": f"{n:x}"})

        assert copies.read() == {"surefoot_slot": "A", "surefoot_starts": f"{n:x}"}
        assert sum(path.read_bytes() != was for path, was in zip(copies.paths, before, strict=True)) == 1


@pytest.mark.needs("grub-editenv")
def test_a_block_is_what_grubs_own_tool_reads(copies: Copies) -> None:
    copies.write({"surefoot_slot": "B", "surefoot_a": "good"})

    listed = subprocess.run(["grub-editenv", str(copies.paths[1]), "list"], capture_output=True, text=True, check=True)

    assert {"surefoot_slot=B", "surefoot_a=good", "surefoot_begin=0", "surefoot_end=0"} <= set(listed.stdout.split())
