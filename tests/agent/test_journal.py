from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import journal as module
from surefoot_agent.holds import Holds, Lock
from surefoot_agent.journal import Batch, Draft, Journal, open_journal, read_facts
from surefoot_agent.record import Record
from surefoot_shared.messages import Event, EventKind, Sample
from surefoot_shared.status import AttemptState, SlotName
from tests.agent.test_machine import COMMITTED, REPORT, SAMPLES, WISH

FULL = Record(
    component="app",
    state=AttemptState.REVERTING,
    seq=7,
    wish=replace(WISH, windows=(("2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z"),)),
    attempt=2,
    slot=SlotName.B,
    previous=SlotName.A,
    baseline={"fps": 25.0},
    report=REPORT,
    committed=COMMITTED,
    halted=("d" * 64,),
    halt_epoch=3,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    opened = open_journal(path)
    yield opened
    opened.close()


def draft(kind: EventKind = EventKind.PROGRESS, message: str = "") -> Draft:
    return lambda seq: Event("cam-1", "stream", seq, "2030-01-01T00:00:00Z", "boot-1", kind, message=message)


def samples(count: int) -> tuple[Sample, ...]:
    return tuple(Sample("2030-01-01T00:00:00Z", "camera_fps", float(i)) for i in range(count))


def test_what_the_application_holds_back_is_kept_for_each_component_and_rot_of_it_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = open_journal(path)
    held = Holds(Lock("start-1", "2030-01-01T00:00:00.000Z", 10.0, "boot-1"))
    journal.set_holds("app", held)
    journal.close()

    journal = open_journal(path)

    assert (journal.held_back("app"), journal.held_back("model")) == (held, Holds())
    journal._set_fact("holds.app", "rot")
    assert journal.held_back("app") == Holds()


def test_a_record_outlives_the_process_field_by_field(journal: Journal, path: Path) -> None:
    journal.save(FULL)
    journal.close()

    assert open_journal(path).record("app") == FULL


def test_a_component_never_seen_is_idle(journal: Journal) -> None:
    assert journal.record("app") == Record("app")


def test_it_writes_to_the_medium_before_it_returns(journal: Journal) -> None:
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_events_are_numbered_without_gaps_also_over_restarts_and_acknowledgements(journal: Journal, path: Path) -> None:
    first = journal.save(FULL, [draft(), draft()])
    journal.acknowledged(2, 0)
    journal.close()

    second = open_journal(path).note([draft()])

    assert [event.seq for event in (*first, *second)] == [1, 2, 3]


def test_record_and_events_are_stored_together_or_not_at_all(journal: Journal) -> None:
    def bad(seq: int) -> Event:
        raise KeyError(seq)

    with pytest.raises(KeyError):
        journal.save(FULL, [draft(), bad])

    assert journal.record("app") == Record("app")
    assert journal.waiting(0, 10) == ()
    assert [event.seq for event in journal.note([draft()])] == [1]


def test_the_stream_belongs_to_the_file(journal: Journal, path: Path, tmp_path: Path) -> None:
    assert open_journal(path).stream == journal.stream
    assert open_journal(tmp_path / "other.db").stream != journal.stream


def test_an_event_waits_until_it_is_acknowledged(journal: Journal) -> None:
    journal.note([draft(message=str(i)) for i in range(5)])

    assert [event.seq for event in journal.waiting(1, 2)] == [2, 3]
    journal.acknowledged(3, 0)
    assert [event.seq for event in journal.waiting(0, 10)] == [4, 5]
    assert journal.waiting_count() == 2


def test_an_acknowledgement_that_frees_nothing_is_seen_before_anything_is_written(journal: Journal) -> None:
    journal.note([draft()])

    assert journal.holds(1, 0)
    journal.acknowledged(1, 0)
    assert not journal.holds(1, 0)
    assert journal.is_empty()


def test_progress_is_bounded_and_outcomes_are_kept(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROGRESS_KEPT", 3)
    journal.note([draft(EventKind.OUTCOME), *[draft() for _ in range(6)]])

    assert [event.seq for event in journal.waiting(0, 100)] == [1, 5, 6, 7]


def test_the_oldest_samples_go_first_and_are_counted_when_the_spool_is_full(journal: Journal, path: Path) -> None:
    journal.spool([Batch(number, samples(10)) for number in range(1, 6)], keep=30)

    assert [batch.batch for batch in journal.batches(0, 10)] == [3, 4, 5]
    assert journal.samples_dropped == 20
    journal.close()
    assert open_journal(path).samples_dropped == 20


def test_one_batch_larger_than_the_bound_is_kept(journal: Journal) -> None:
    journal.spool([Batch(1, samples(10))], keep=5)

    assert len(journal.batches(0, 10)) == 1


def test_batch_numbers_rise_over_restarts(journal: Journal, path: Path) -> None:
    assert journal.reserve_batches(100) == 1
    journal.close()

    assert open_journal(path).reserve_batches(100) == 101


def test_the_lock_of_the_operator_outlives_the_agent(journal: Journal, path: Path) -> None:
    journal.set_locked(True)
    journal.close()

    assert open_journal(path).locked()


def test_hellos_are_numbered(journal: Journal, path: Path) -> None:
    assert journal.next_hello() == 1
    journal.close()
    assert open_journal(path).next_hello() == 2


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be looked at" * 100])
def test_a_file_that_is_no_journal_is_left_alone_or_is_a_new_one(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    opened = open_journal(path)

    assert opened.readable is (content == b"")
    if content:
        assert path.read_bytes() == content
        assert opened.record("app").state is AttemptState.RESCUE


def test_a_journal_damaged_in_the_middle_is_found_at_the_start(journal: Journal, path: Path) -> None:
    journal.save(FULL, [draft(message="x" * 3000) for _ in range(20)])
    journal._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    journal.close()
    with open(path, "r+b") as file:
        for page in range(1, os.path.getsize(path) // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 512)

    assert not open_journal(path).readable


def test_a_record_nobody_can_read_makes_the_journal_unreadable(journal: Journal, path: Path) -> None:
    journal.save(FULL)
    journal._db.execute("UPDATE record SET value = x'7b7d'")
    journal.close()

    assert not open_journal(path).readable


def test_a_journal_of_a_format_to_come_is_not_touched(journal: Journal, path: Path) -> None:
    journal._db.execute(f"PRAGMA user_version = {module.FORMAT + 1}")
    journal.close()

    assert not open_journal(path).readable


def test_a_field_added_by_a_later_version_does_not_hinder_this_one(journal: Journal) -> None:
    journal.save(FULL)
    journal._db.execute("UPDATE record SET value = CAST(json_insert(CAST(value AS TEXT), '$.added_later', 1) AS BLOB)")

    assert journal.record("app") == FULL


def test_what_an_unreadable_journal_notes_is_numbered_in_a_stream_of_its_own(path: Path) -> None:
    path.write_bytes(b"rot" * 1000)

    opened = open_journal(path)

    assert [event.seq for event in opened.note([draft()])] == [1]
    assert opened.stream != open_journal(path).stream


def test_a_transaction_that_was_not_finished_leaves_nothing(path: Path) -> None:
    open_journal(path).close()
    code = (
        "import os, sys, sqlite3; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('BEGIN IMMEDIATE'); db.execute(\"INSERT INTO fact VALUES ('torn', '1')\"); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)

    journal = open_journal(path)

    assert journal.readable
    assert journal._fact("torn") == "0"


def test_a_full_disk_gets_its_reserve_back_and_the_next_save_succeeds(journal: Journal, path: Path) -> None:
    reserve = path.with_name("journal.db.reserve")
    assert reserve.stat().st_size == module.RESERVE_BYTES
    journal._db.execute("PRAGMA max_page_count = 1")

    with pytest.raises(sqlite3.OperationalError, match="full"):
        journal.save(FULL, [draft(message="x" * 200_000)])

    assert not reserve.exists()
    journal._db.execute("PRAGMA max_page_count = 100000")
    journal.save(FULL)


def test_another_process_reads_the_facts_while_the_agent_writes(journal: Journal, path: Path) -> None:
    journal.save(FULL, [draft()])
    journal.set_locked(True)

    facts = read_facts(path, "app")

    assert (facts.record, facts.locked, facts.waiting) == (FULL, True, 1)


def test_reading_a_journal_that_does_not_exist_makes_none(path: Path) -> None:
    assert read_facts(path, "app").record == Record("app")
    assert not path.exists()


def test_every_event_of_the_machine_leaves_a_record_that_can_be_stored(journal: Journal) -> None:
    from surefoot_agent.machine import TRANSITIONS, step

    for state, kind in TRANSITIONS:
        after, _ = step(replace(FULL, state=state), SAMPLES[kind])
        journal.save(after)
        assert journal.record("app") == after


def test_a_journal_that_cannot_be_written_is_read_into_memory_and_numbered_apart(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.save(FULL, [draft()])
    journal.set_locked(True)
    stream = journal.stream
    journal.close()
    monkeypatch.setattr(module, "_probe", full)
    path.with_name("journal.db.reserve").unlink()

    copy = open_journal(path)
    copy.note([draft(EventKind.NOTICE)])

    assert (copy.readable, copy.stores, copy.record("app"), copy.locked()) == (True, False, FULL, True)
    assert copy.stream != stream
    assert [event.seq for event in copy.waiting(0, 9)] == [1]
    monkeypatch.undo()
    again = open_journal(path)
    assert (again.stores, again.stream, again.waiting_count()) == (True, stream, 1)


def full(connection: sqlite3.Connection) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_opening_a_journal_that_is_whole_writes_nothing(journal: Journal, path: Path) -> None:
    before = journal._db.execute("PRAGMA data_version").fetchone()

    open_journal(path).close()

    assert journal._db.execute("PRAGMA data_version").fetchone() == before


def test_a_journal_is_read_where_there_is_no_room_for_the_index_of_its_log(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.save(FULL)
    journal.close()  # which folds the log into the file
    connect, asked = sqlite3.connect, []

    def no_room(address: str, **more: object) -> sqlite3.Connection:
        asked.append(address)
        if "immutable" not in address:
            return _Refusing()  # type: ignore[return-value]
        return connect(address, uri=True)

    monkeypatch.setattr(sqlite3, "connect", no_room)

    assert read_facts(path, "app").record == FULL
    assert len(asked) == 2


class _Refusing:
    """What SQLite says where it cannot make the index of a write-ahead log."""

    def execute(self, *_: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    def close(self) -> None:
        pass
