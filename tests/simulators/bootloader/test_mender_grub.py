from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent.boot.mender_grub import Pair, variables
from surefoot_simulators.bootloader.mender_grub import MenderGrub, encode

NEW = {"mender_boot_part": "3", "upgrade_available": "1", "bootcount": "0"}
OLD = {"mender_boot_part": "2", "upgrade_available": "0", "bootcount": "0"}


@pytest.fixture
def scripts(tmp_path: Path) -> MenderGrub:
    made = MenderGrub((Pair(tmp_path / "env1", tmp_path / "lock1"), Pair(tmp_path / "env2", tmp_path / "lock2")))
    made.format()
    return made


def put(scripts: MenderGrub, *blocks: dict[str, str]) -> None:
    for pair, block in zip(scripts.pairs, blocks, strict=True):
        pair.env.write_bytes(encode(block))


def held(scripts: MenderGrub) -> list[dict[str, str]]:
    return [variables(pair.env.read_bytes()) for pair in scripts.pairs]


def test_a_new_part_is_entered_once_and_left_at_the_second_start(scripts: MenderGrub) -> None:
    put(scripts, NEW, NEW)

    assert [scripts.start() for _ in range(3)] == ["3", "2", "2"]
    assert held(scripts) == [OLD, OLD]


def test_a_committed_part_is_entered_at_every_start_and_nothing_is_written(scripts: MenderGrub) -> None:
    put(scripts, {**NEW, "upgrade_available": "0"}, OLD)
    before = held(scripts)

    assert [scripts.start() for _ in range(2)] == ["3", "3"]
    assert held(scripts) == before


@pytest.mark.parametrize(("locked", "part"), [(0, "2"), (1, "3")])
def test_a_block_that_was_being_written_is_restored_from_the_other(locked: int, part: str, scripts: MenderGrub) -> None:
    put(scripts, {**NEW, "upgrade_available": "0"}, OLD)
    scripts.pairs[locked].lock.write_bytes(encode({"editing": "1"}))

    assert scripts.start() == part
    first, second = held(scripts)
    assert first == second


def test_other_variables_stay_in_their_block(scripts: MenderGrub) -> None:
    put(scripts, {**NEW, "surefoot_a": "good"}, NEW)

    scripts.start()

    assert held(scripts)[0]["surefoot_a"] == "good"


@pytest.mark.parametrize("left", [b"", b"junk" * 256, encode({"mender_boot_part": "9"})])
def test_where_nobody_can_say_the_first_part_is_entered(left: bytes, scripts: MenderGrub) -> None:
    for pair in scripts.pairs:
        pair.env.write_bytes(left)

    assert scripts.start() == "2"


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        encode({"x": "y" * 1024})
