from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from surefoot_agent.download import spool
from surefoot_agent.download.spool import Held, Spool
from surefoot_shared.errors import InstallFailed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "fetch" / "app"


def test_an_object_goes_on_where_it_stopped(folder: Path) -> None:
    with Spool(folder).object("one") as held:
        held.append(b"first ")
        held.set_mark("version")
    with Spool(folder).object("one") as held:
        assert (held.size_bytes, held.mark()) == (6, "version")
        held.append(b"second")
        assert os.pread(held.handle, 20, 0) == b"first second"


def test_what_was_written_stays_where_its_source_fails(folder: Path) -> None:
    def breaks_off(held: Held) -> None:
        held.append(b"first")
        raise RuntimeError

    with pytest.raises(RuntimeError), Spool(folder).object("one") as held:
        breaks_off(held)

    assert Spool(folder).has_bytes("one") == 5


def test_the_medium_is_written_seldom(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    monkeypatch.setattr(spool.os, "fsync", syncs.append)
    monkeypatch.setattr(spool, "SYNC_BYTES", 1000)
    with Spool(folder).object("one") as held:
        made = len(syncs)
        for _ in range(250):
            held.append(b"x" * 10)
        assert len(syncs) - made == 2


def test_what_was_spent_spares_the_medium(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    monkeypatch.setattr(spool.os, "fsync", syncs.append)
    store = Spool(folder)
    with store.object("one") as held:
        made = len(syncs)
        held.append(b"x" * 1000)
        held.spend()
    store.drop("one")

    assert len(syncs) == made
    assert not list(folder.iterdir())


def test_begun_anew_nothing_is_left_of_what_was(folder: Path) -> None:
    with Spool(folder).object("one") as held:
        held.append(b"old")
        held.set_mark("old")
        held.restart()
        assert (held.size_bytes, held.mark()) == (0, "")
        held.append(b"n")
        assert os.pread(held.handle, 9, 0) == b"n"


def test_what_comes_out_of_order_leaves_holes(folder: Path) -> None:
    with Spool(folder).object("one") as held:
        held.put(4, b"end")
        held.put(0, b"head")
        assert (held.size_bytes, os.pread(held.handle, 9, 0)) == (7, b"headend")


def test_only_what_is_wanted_is_kept(folder: Path) -> None:
    for name in ("one", "two"):
        with Spool(folder).object(name) as held:
            held.append(b"x")
            held.set_mark("m")
    Spool(folder).keep({"two"})
    assert sorted(os.listdir(folder)) == ["two", "two.mark"]
    Spool(folder).drop("two")
    assert os.listdir(folder) == []
    Spool(folder / "never").keep(())


def test_what_was_used_up_is_remembered_and_takes_no_room(folder: Path) -> None:
    spooled = Spool(folder)
    with spooled.object("one") as held:
        held.append(b"x" * 1000)

    spooled.finish("one")

    assert (spooled.is_used_up("one"), spooled.has_bytes("one")) == (True, 0)
    spooled.keep({"one"})
    assert spooled.is_used_up("one")
    spooled.keep(())
    assert not spooled.is_used_up("one")


def test_without_inodes_there_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = os.statvfs(tmp_path)
    short = os.statvfs_result((*state[:5], 9, 2, 2, *state[8:]))
    monkeypatch.setattr(spool.os, "statvfs", lambda _: short)

    assert Spool(tmp_path).room_bytes() == 0


def test_there_is_room_only_beside_the_reserve(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize

    assert Spool(tmp_path / "not" / "yet").room_bytes() > 0
    assert Spool(tmp_path, reserve_bytes=free * 2).room_bytes() == 0


def test_a_full_disk_is_the_devices_own_fault(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(spool, "write_all", full)
    with pytest.raises(InstallFailed) as caught, Spool(folder).object("one") as held:
        held.append(b"x")

    assert caught.value.kind == "no_space"


def test_a_link_in_the_way_is_not_followed(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "one").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InstallFailed), Spool(folder).object("one"):
        pass

    assert not (tmp_path / "elsewhere").exists()
