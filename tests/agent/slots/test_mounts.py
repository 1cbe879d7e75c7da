from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from surefoot_agent.slots import mounts
from surefoot_agent.slots.mounts import mounted_at

TABLE = """22 1 259:2 / / ro,relatime shared:1 - ext4 /dev/root ro
23 22 0:21 / /proc rw - proc proc rw
31 22 259:4 / /data\\040of\\134ours rw,noatime - ext4 /dev/nvme0n1p4 rw
40 22 7:3 / /mnt/loop rw - ext4 /dev/loop3 rw
"""


def device(major: int, minor: int) -> os.stat_result:
    fields = [0] * 19
    real = list(os.stat("/dev/null"))
    fields[:10] = [int(value) for value in real[:10]]
    fields[0] = stat.S_IFBLK | 0o600
    return os.stat_result((*fields[:10],), {"st_rdev": os.makedev(major, minor)})


@pytest.mark.parametrize(
    ("number", "where"),
    [((259, 2), "/"), ((259, 4), "/data of\\ours"), ((259, 3), None), ((259, 24), None), ((22, 1), None)],
)
def test_a_device_is_known_by_its_number_and_by_nothing_else(number: tuple[int, int], where: str | None) -> None:
    assert mounted_at(device(*number), Path("/dev/disk/by-partlabel/slot_b"), TABLE) == where


def test_a_file_is_in_use_through_the_loop_device_that_stands_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot, loop = tmp_path / "slot", tmp_path / "sys" / "loop3"
    slot.touch()
    (loop / "loop").mkdir(parents=True)
    (loop / "loop" / "backing_file").write_text(f"{os.path.realpath(slot)}\n")
    (loop / "dev").write_text("7:3\n")
    monkeypatch.setattr(mounts, "BLOCK", tmp_path / "sys")

    assert mounted_at(slot.stat(), slot, TABLE) == "/mnt/loop"
    assert mounted_at(slot.stat(), tmp_path / "other", TABLE) is None


def test_a_partition_of_such_a_loop_device_counts_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slot, loop = tmp_path / "slot", tmp_path / "sys" / "loop0"
    slot.touch()
    (loop / "loop").mkdir(parents=True)
    (loop / "loop0p1").mkdir()
    (loop / "loop" / "backing_file").write_text(os.path.realpath(slot))
    (loop / "dev").write_text("7:0")
    (loop / "loop0p1" / "dev").write_text("7:3")
    monkeypatch.setattr(mounts, "BLOCK", tmp_path / "sys")

    assert mounted_at(slot.stat(), slot, TABLE) == "/mnt/loop"


def test_the_table_of_this_machine_has_a_root_and_none_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert any(line.split(" ")[4] == "/" for line in mounts.table().splitlines())

    monkeypatch.setattr(mounts, "MOUNTINFO", Path("/nowhere"))
    assert mounts.table() == ""
