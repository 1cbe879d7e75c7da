"""Floors survive a power cut at any byte, rise only when something is committed, and never fall by accident."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import SlotKind, TargetNote
from surefoot_shared.trust.clock import EPOCH
from surefoot_shared.trust.floors import Floors, FloorStore, Seen
from surefoot_shared.trust.policy import Policy


def note(counter: int = 101, svn: int = 0, component: str = "app") -> TargetNote:
    return TargetNote(component, "1.1", counter, svn, ("rpi5",), SlotKind.TREE, 1, 1)


@pytest.fixture
def store(tmp_path: Path) -> FloorStore:
    return FloorStore(tmp_path)


def generations(folder: Path) -> list[Path]:
    return sorted(folder.glob("floors*.json"))


def test_a_new_device_has_no_floors(store: FloorStore) -> None:
    assert store.load() == Floors()


def test_what_was_saved_is_loaded(store: FloorStore) -> None:
    floors = Floors(
        {"app": 1}, {"app": 2}, {"app": 3}, {"app": 4}, "2026-06-01T12:00:00Z", {"a.b": Seen(5, "k")}, 6, ("0" * 64,)
    )

    store.save(floors)

    assert store.load() == floors


@pytest.mark.parametrize("damage", [b"", b"\0" * 300, b"00000000 9 {}", None])
def test_either_generation_alone_is_enough(tmp_path: Path, store: FloorStore, damage: bytes | None) -> None:
    store.save(Floors(halt_epoch=1))
    for number in range(2):
        path = generations(tmp_path)[number]
        whole = path.read_bytes()
        path.unlink() if damage is None else path.write_bytes(damage)
        assert store.load() == Floors(halt_epoch=1)
        path.write_bytes(whole)


def test_a_write_that_is_torn_at_any_byte_loses_nothing_that_was_saved_before(
    tmp_path: Path, store: FloorStore
) -> None:
    store.save(Floors(halt_epoch=1))
    store.save(Floors(halt_epoch=2))
    before = {path: path.read_bytes() for path in generations(tmp_path)}
    store.save(Floors(halt_epoch=3))
    (written,) = [path for path in generations(tmp_path) if path.read_bytes() != before[path]]
    whole = written.read_bytes()

    for length in range(len(whole)):
        written.write_bytes(whole[:length])
        # The last byte is only the line's end: without it the frame is whole.
        assert store.load().halt_epoch == (3 if length == len(whole) - 1 else 2)


def test_after_a_torn_write_the_next_save_mends_the_torn_generation(tmp_path: Path, store: FloorStore) -> None:
    store.save(Floors(halt_epoch=1))
    store.save(Floors(halt_epoch=2))
    newest = max(generations(tmp_path), key=lambda path: int(path.read_bytes().split()[1]))
    newest.write_bytes(b"")

    store.save(Floors(halt_epoch=3))
    other = next(path for path in generations(tmp_path) if path != newest)
    other.write_bytes(b"")

    assert store.load() == Floors(halt_epoch=3)


def test_both_generations_unreadable_is_an_error_and_not_a_fresh_start(tmp_path: Path, store: FloorStore) -> None:
    store.save(Floors(halt_epoch=1))
    for path in generations(tmp_path):
        path.write_bytes(b"")

    with pytest.raises(InstallFailed) as caught:
        store.load()

    assert caught.value.kind == "journal_unreadable"


def test_saving_the_same_again_writes_nothing(tmp_path: Path, store: FloorStore) -> None:
    store.save(Floors(halt_epoch=1))
    before = [path.stat().st_mtime_ns for path in generations(tmp_path)]

    store.save(Floors(halt_epoch=1))

    assert [path.stat().st_mtime_ns for path in generations(tmp_path)] == before


def test_a_file_of_a_newer_agent_with_more_fields_is_read(tmp_path: Path, store: FloorStore) -> None:
    import zlib

    body = b'9 {"halt_epoch":7,"a_field_of_tomorrow":{"x":1},"v":1}'
    (tmp_path / "floors.json").write_bytes(b"%08x %s\n" % (zlib.crc32(body), body))

    assert store.load().halt_epoch == 7


def test_the_counter_follows_what_is_committed_downwards_too(store: FloorStore) -> None:
    store.committed(note(102))
    store.committed(note(101))

    assert store.load().counter == {"app": 101}


def test_components_have_floors_of_their_own(store: FloorStore) -> None:
    store.committed(note(102))
    store.committed(note(7, component="model"))

    assert store.load().counter == {"app": 102, "model": 7}


@pytest.mark.parametrize(("committed", "minimum", "floor"), [(1, 1, 1), (5, 3, 3), (1, 2, 0), (0, 0, 0), (2, 0, 0)])
def test_the_svn_floor_is_the_policys_minimum_once_something_at_least_as_high_is_committed(
    committed: int, minimum: int, floor: int
) -> None:
    policy_first = Floors().with_policy(Policy("app", minimum)).after_commit(note(svn=committed))
    commit_first = Floors().after_commit(note(svn=committed)).with_policy(Policy("app", minimum))

    assert policy_first == commit_first
    assert policy_first.svn.get("app", 0) == floor


def test_the_svn_floor_never_falls() -> None:
    raised = Floors().with_policy(Policy("app", 3)).after_commit(note(svn=3))

    assert raised.with_policy(Policy("app", 0)).after_commit(note(svn=0)).svn == {"app": 3}


@pytest.mark.parametrize("text", ["2026-05-31T00:00:00Z", "junk", None, "2026-06-01T12:00:00Z"])
def test_the_time_floor_never_falls(text: str | None) -> None:
    floors = replace(Floors(), time="2026-06-01T12:00:00Z")

    assert floors.with_time(text) == floors
    assert floors.with_time("2026-06-02T00:00:00Z").time == "2026-06-02T00:00:00Z"


def test_a_time_counts_while_those_who_told_it_do() -> None:
    floors = Floors().with_time("2027-05-01T00:00:00Z", "stolen")

    assert floors.time_by("stolen") == datetime(2027, 5, 1, tzinfo=timezone.utc)
    assert floors.time_by("new") == EPOCH
    again = floors.with_time("2026-06-01T00:00:00Z", "new")
    assert (again.time, again.time_keys) == ("2026-06-01T00:00:00Z", "new")
    assert again.with_time("2026-05-01T00:00:00Z", "new") == again


def test_a_time_of_a_file_that_names_no_keys_is_kept_and_bound_to_the_next_who_tell_one() -> None:
    floors = Floors(time="2026-06-01T00:00:00Z").with_time("2026-05-01T00:00:00Z", "new")

    assert (floors.time, floors.time_keys) == ("2026-06-01T00:00:00Z", "new")
