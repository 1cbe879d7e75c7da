from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_agent.download.shelf import LEAD_S, Miss, Shelf
from surefoot_shared.errors import Conflict, Invalid
from surefoot_shared.release import digest_of

ONE, TWO, THREE = b"1" * 400, b"2" * 400, b"3" * 400


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shelf(tmp_path: Path, clock: Clock) -> Shelf:
    return Shelf(tmp_path / "cache", 1000, now=clock)


def bring(shelf: Shelf, content: bytes) -> None:
    assert shelf.find(digest_of(content)) is Miss.BRING_IT
    shelf.put(digest_of(content), len(content), [content[:100], content[100:]])


def kept(shelf: Shelf, content: bytes) -> bool:
    found = shelf.find(digest_of(content))
    return isinstance(found, Path) and found.read_bytes() == content


def test_the_first_who_asks_brings_it_and_the_others_wait(shelf: Shelf) -> None:
    name = digest_of(ONE)

    assert [shelf.find(name), shelf.find(name), shelf.find(name)] == [Miss.BRING_IT, Miss.WAIT, Miss.WAIT]
    shelf.put(name, len(ONE), [ONE])
    assert kept(shelf, ONE)


def test_where_the_first_never_comes_back_the_next_is_asked(shelf: Shelf, clock: Clock) -> None:
    name = digest_of(ONE)
    shelf.find(name)
    clock.now = LEAD_S + 1

    assert [shelf.find(name), shelf.find(name)] == [Miss.BRING_IT, Miss.WAIT]


def test_what_nobody_asked_for_is_not_taken(shelf: Shelf) -> None:
    with pytest.raises(Conflict):
        shelf.put(digest_of(ONE), len(ONE), [ONE])


@pytest.mark.parametrize("chunks", [[ONE[1:]], [ONE, b"more"], [TWO], []])
def test_what_is_not_as_its_name_says_is_dropped_and_asked_for_anew(
    shelf: Shelf, tmp_path: Path, chunks: list[bytes]
) -> None:
    name = digest_of(ONE)
    shelf.find(name)
    with pytest.raises(Invalid):
        shelf.put(name, len(ONE), chunks)

    assert list((tmp_path / "cache").iterdir()) == []
    assert shelf.find(name) is Miss.BRING_IT


def test_a_source_that_breaks_off_leaves_nothing(shelf: Shelf, tmp_path: Path) -> None:
    def breaks() -> object:
        yield b"1"
        raise OSError("gone")

    shelf.find(digest_of(ONE))
    with pytest.raises(OSError):
        shelf.put(digest_of(ONE), len(ONE), breaks())  # type: ignore[arg-type]

    assert list((tmp_path / "cache").iterdir()) == []


def test_the_longest_unused_goes_first(shelf: Shelf) -> None:
    for age, content in ((3, ONE), (2, TWO)):
        bring(shelf, content)
        found = shelf.find(digest_of(content))
        assert isinstance(found, Path)
        os.utime(found, (1000 - age, 1000 - age))
    assert kept(shelf, ONE)  # used again

    bring(shelf, THREE)

    assert kept(shelf, ONE)
    assert kept(shelf, THREE)
    assert shelf.find(digest_of(TWO)) is Miss.BRING_IT


def test_more_than_the_shelf_holds_is_not_taken(shelf: Shelf) -> None:
    huge = b"4" * 2000
    shelf.find(digest_of(huge))

    with pytest.raises(Invalid, match="room"):
        shelf.put(digest_of(huge), len(huge), [huge])


def test_what_is_on_its_way_takes_room_too(shelf: Shelf) -> None:
    bring(shelf, ONE)
    large = b"4" * 700
    for content in (TWO, THREE, large):
        shelf.find(digest_of(content))

    def slowly() -> Iterator[bytes]:
        yield TWO[:100]
        shelf.put(digest_of(THREE), len(THREE), [THREE])
        with pytest.raises(Invalid, match="room"):
            shelf.put(digest_of(large), len(large), [large])
        yield TWO[100:]

    shelf.put(digest_of(TWO), len(TWO), slowly())

    assert (kept(shelf, TWO), kept(shelf, THREE)) == (True, True)
    assert shelf.find(digest_of(ONE)) is Miss.BRING_IT  # it made room while the others were on their way


def test_what_lies_in_a_slot_is_served_from_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(ONE)
    shelf = Shelf(tmp_path / "cache", 1000, {digest_of(ONE): tmp_path / "file"}.get)

    assert kept(shelf, ONE)


def test_what_a_death_left_half_is_gone_at_the_next_start(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "cache" / f"{digest_of(ONE)}.7.part").write_bytes(b"half")

    Shelf(tmp_path / "cache", 1000)

    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "a" * 63, "A" * 64, "", "a" * 64 + "/b"])
def test_what_is_no_name_is_refused(shelf: Shelf, name: str) -> None:
    with pytest.raises(Invalid):
        shelf.find(name)


class Disk:
    """One of so many free bytes besides what the shelf holds."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes

    def __call__(self, folder: Path) -> int:
        return self.size_bytes - sum(each.stat().st_size for each in folder.iterdir())


def test_what_the_device_keeps_free_is_not_taken_and_what_lay_longest_makes_room(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "cache", 1 << 30, reserve_bytes=500, free_bytes=Disk(1400))
    bring(shelf, ONE)
    os.utime(tmp_path / "cache" / digest_of(ONE), (1, 1))
    bring(shelf, TWO)

    bring(shelf, THREE)

    assert [kept(shelf, TWO), kept(shelf, THREE)] == [True, True]
    assert shelf.find(digest_of(ONE)) is Miss.BRING_IT


def test_where_all_that_is_kept_would_not_make_room_nothing_is_dropped(tmp_path: Path) -> None:
    disk = Disk(1000)
    shelf = Shelf(tmp_path / "cache", 1 << 30, reserve_bytes=500, free_bytes=disk)
    bring(shelf, ONE)
    disk.size_bytes = 800
    shelf.find(digest_of(TWO))

    with pytest.raises(Invalid, match="no room for another 400 bytes") as caught:
        shelf.put(digest_of(TWO), len(TWO), [TWO])

    assert caught.value.kind == "too_large"
    assert kept(shelf, ONE)


def test_what_is_half_here_is_not_counted_twice(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "cache", 1 << 30, reserve_bytes=500, free_bytes=Disk(1300))
    shelf.find(digest_of(ONE))

    def slowly() -> Iterator[bytes]:
        yield ONE[:300]
        bring(shelf, TWO)  # 300 bytes are on the disk, 100 are still to come: both fit to the byte
        yield ONE[300:]

    shelf.put(digest_of(ONE), len(ONE), slowly())

    assert [kept(shelf, ONE), kept(shelf, TWO)] == [True, True]


def test_the_disk_itself_is_asked(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "cache", 1 << 30, reserve_bytes=1 << 60)
    shelf.find(digest_of(ONE))

    with pytest.raises(Invalid, match="stay free"):
        shelf.put(digest_of(ONE), len(ONE), [ONE])
