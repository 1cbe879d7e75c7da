"""A device keeps the longest audit checkpoint that it was told of."""

from __future__ import annotations

from pathlib import Path

from surefoot_agent.witness import FILE, Witness
from surefoot_shared.messages import Checkpoint


def checkpoint(size: int) -> Checkpoint:
    return Checkpoint(size, f"{size:064d}", "noon", "sig")


def test_the_longest_is_kept_whatever_comes_later(tmp_path: Path) -> None:
    witness = Witness(tmp_path / FILE)

    for size in (3, 7, 5):
        witness.told(checkpoint(size))
    witness.told(None)

    assert witness.kept == checkpoint(7)


def test_it_outlives_the_process(tmp_path: Path) -> None:
    Witness(tmp_path / FILE).told(checkpoint(7))

    assert Witness(tmp_path / FILE).kept == checkpoint(7)


def test_a_file_that_is_garbage_is_as_none(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff{")

    witness = Witness(tmp_path / FILE)
    witness.told(checkpoint(1))

    assert witness.kept == checkpoint(1)


def test_a_disk_that_takes_nothing_costs_the_memory_alone(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "nowhere" / FILE)

    witness.told(checkpoint(1))

    assert witness.kept == checkpoint(1)
