"""State that outlives an agent is read by its neighbours: what the version before stored, and what it reads of ours.

`fixtures/before` was written by the version before: its journal and the files of its component folder, in the middle
of a trial, and `reader.json`, the fields and words that it reads. An agent that goes back to it finds our state.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from enum import Enum
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_agent.journal import FORMAT, Journal, open_journal
from surefoot_agent.machine import Undefined
from surefoot_agent.record import Record
from surefoot_agent.trial import Trial, TrialFile, Verdict
from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.messages import EventKind
from surefoot_shared.status import AttemptState, Outcome, SlotName, SlotState
from tests.agent.fakes import Device
from tests.agent.test_machine import SAMPLES, TO_PROBATION, play

pytestmark = pytest.mark.usefixtures("unsynced")

BEFORE = Path(__file__).with_name("fixtures") / "before"
S = AttemptState


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(BEFORE, tmp_path / "state")
    return tmp_path / "state"


def old_reader(name: str) -> type:
    """The class as the version before has it: its fields, its words, its version."""
    frozen = json.loads((BEFORE / "reader.json").read_text())
    known: dict[str, object] = {"Mapping": Mapping}
    for enum, values in frozen["enums"].items():
        known[enum] = Enum(enum, {value: value for value in values})
    waiting = dict(frozen["classes"])
    while waiting:
        for each, fields in list(waiting.items()):
            if not any(other in field["type"] for field in fields for other in waiting if other != each):
                known[each] = _made(each, waiting.pop(each), known)
    found = known[name]
    assert isinstance(found, type)
    return found


def _made(name: str, fields: list[dict[str, object]], known: dict[str, object]) -> type:
    rows = []
    for field in sorted(fields, key=lambda one: not one["required"]):
        kind = eval(str(field["type"]), {**known})
        default = field.get("reads")
        rows.append(
            (field["name"], kind) if field["required"] else (field["name"], kind, dataclasses.field(default=default))
        )
    return dataclasses.make_dataclass(name, rows, frozen=True)  # type: ignore[arg-type]


# --- what the version before stored -----------------------------------------------------------------------------------


def test_the_journal_of_the_version_before_is_read_in_the_middle_of_its_trial(folder: Path) -> None:
    journal = open_journal(folder / "journal.db")

    record = journal.record("app")

    assert journal.readable
    assert (record.state, record.seq, record.attempt, record.starts) == (S.PROBATION, 1700000000123, 2, 2)
    assert record.wish is not None
    assert (record.wish.assignment, record.slot, record.previous) == ("a-17", SlotName.B, SlotName.A)
    assert record.ended is not None
    assert record.ended.report is not None
    assert record.ended.report.reset_cause is None
    assert (record.falls, record.boot) == ({}, None)
    assert (journal.stream, journal.locked(), journal.waiting_count()) == ("stream-1", True, 1)
    assert journal.waiting(0, 10)[0].state is S.PROBATION
    journal.close()


def test_the_trial_and_the_process_of_the_version_before_are_read_by_agent_and_guard(folder: Path) -> None:
    trial = TrialFile(folder / "app").of("a-17", 2)
    process = guard.load_application(folder / "app")
    stored = guard.load_record(folder / "app", "trial")

    assert trial is not None
    assert (trial.slot, trial.previous, trial.starts, trial.verdict) == ("B", "A", 2, None)
    assert trial.fallback is not None
    assert process is not None
    assert (process.slot, process.pid, process.start_id) == ("B", 4711, "start-2")
    assert guard.slot_states(folder / "app") == {"A": "good", "B": "bad"}
    assert stored is not None
    assert guard.must_act(stored, 5001.0)
    assert not guard.must_act(stored, 4999.0)


def test_an_attempt_that_the_version_before_began_is_ended_by_this_one(tmp_path: Path) -> None:
    """Fields that came later are taken out of the record, as if it had been written without them."""
    device = Device(tmp_path)
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))
    device.play(agent, 60.0, lambda: agent.record.state is S.PROBATION)
    known = {field["name"] for field in json.loads((BEFORE / "reader.json").read_text())["classes"]["Record"]}
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        stored = json.loads(db.execute("SELECT value FROM record").fetchone()[0])
        plain = {name: value for name, value in stored.items() if name in known}
        db.execute("UPDATE record SET value = ?", (json.dumps(plain).encode(),))
    assert set(plain) < set(stored)
    device.cut_power()

    device.run_until_idle(device.start_agent())

    assert device.server.outcomes() == [("a-1", Outcome.COMMITTED, None)]


# --- what the version before reads of ours ----------------------------------------------------------------------------


def test_the_version_before_reads_the_record_that_this_one_writes_in_every_state() -> None:
    reader, written = old_reader("Record"), [Record("app")]
    for end in range(1, len(TO_PROBATION) + 1):
        written.append(play(TO_PROBATION[:end])[0])
    for event in SAMPLES.values():
        with suppress(Undefined):  # not every pair is in the table
            written.append(play([*TO_PROBATION, event])[0])

    for record in written:
        read = wire.decode(reader, wire.encode(record))
        for field in dataclasses.fields(reader):
            mine, theirs = getattr(record, field.name), getattr(read, field.name)
            if isinstance(mine, (int, str, type(None))) and not isinstance(mine, Enum):
                assert mine == theirs, field.name
    assert {record.state for record in written} >= {S.IDLE, S.DOWNLOADING, S.STAGED, S.PROBATION, S.REVERTING}


@pytest.mark.parametrize("verdict", [None, *Verdict])
def test_the_version_before_reads_the_trial_that_this_one_writes(tmp_path: Path, verdict: Verdict | None) -> None:
    device = Device(tmp_path)
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))
    device.play(agent, 60.0, lambda: agent.record.state is S.PROBATION)
    trial = device.trials.read()
    assert trial is not None

    read = wire.decode(old_reader("Trial"), wire.encode(dataclasses.replace(trial, verdict=verdict)))

    assert (read.assignment, read.slot, read.fallback.slot) == ("a-1", "B", "A")  # type: ignore[attr-defined]


def test_the_frozen_reader_refuses_what_that_version_would_refuse() -> None:
    reader = old_reader("Record")
    plain = wire.to_json(Record("app"))
    assert isinstance(plain, dict)

    wire.from_json(reader, {**plain, "of_the_future": 1})
    for wrong in ({**plain, "v": 2}, {**plain, "state": "of_the_future"}, {**plain, "seq": "1"}):
        with pytest.raises(Invalid):
            wire.from_json(reader, wrong)


def test_a_trial_of_a_version_to_come_is_left_to_the_guard(tmp_path: Path) -> None:
    guard.save_record(tmp_path, "trial", {"v": 2, "assignment": "a-1", "attempt": 1})

    assert TrialFile(tmp_path).read() is None


def test_every_field_of_the_version_before_is_still_there() -> None:
    frozen = json.loads((BEFORE / "reader.json").read_text())["classes"]

    for cls in (Record, Trial):
        now = {field.name for field in dataclasses.fields(cls)}
        assert {field["name"] for field in frozen[cls.__name__]} <= now


# --- a journal that cannot be read ------------------------------------------------------------------------------------


def on_trial(tmp_path: Path) -> Device:
    """A device in the middle of a trial, its agent gone and its journal closed."""
    device = Device(tmp_path)
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))
    device.play(agent, 60.0, lambda: agent.record.state is S.PROBATION)
    assert device.journal is not None
    device.journal.close()  # type: ignore[operator]
    device.journal = None
    return device


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def garbage(path: Path) -> None:
    path.write_bytes(b"rot" * 4000)


def of_a_later_format(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {FORMAT + 1}")


def with_a_later_record(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE record SET value = ?", (b'{"component": "app", "v": 2}',))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [cut_in_half, garbage, of_a_later_format, with_a_later_record, a_folder])
def test_an_unreadable_journal_changes_nothing_and_is_told(tmp_path: Path, spoil: object) -> None:
    device = on_trial(tmp_path)
    spoil(tmp_path / "journal.db")  # type: ignore[operator]
    device.assign(device.wish("1.2", "a-2"))
    before = (device.linked_version(), device.running_version(), dict(guard.slot_states(device.component_dir)))
    device.world.trace.clear()
    device.server.events.clear()  # on a device the journal in memory has a stream of its own

    agent = device.start_agent()
    device.play(agent, 120.0)

    assert [x.reason for x in device.server.events.values() if x.kind is EventKind.NOTICE] == ["journal_unreadable"]
    assert device.server.outcomes() == []
    assert (device.linked_version(), device.running_version(), dict(guard.slot_states(device.component_dir))) == before
    assert not [point for point in device.world.trace if "journal" not in point]
    trial = guard.load_record(device.component_dir, "trial")
    assert trial is not None
    assert guard.must_act(trial, 1e12)  # the guard still brings the old release back, by itself


def test_a_journal_of_another_owner_is_unreadable_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    open_journal(path).close()
    content, mode = path.read_bytes(), path.stat().st_mode
    path.chmod(0)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        journal = open_journal(path)
    finally:
        if root:
            os.seteuid(0)

    assert not journal.readable
    path.chmod(mode)
    assert path.read_bytes() == content


@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.9])
def test_a_write_ahead_log_that_was_lost_leaves_a_state_from_before_and_never_half_of_one(
    tmp_path: Path, part: float
) -> None:
    path, states = tmp_path / "journal.db", list(AttemptState)
    journal = open_journal(path)
    journal.save(Record("app", S.IDLE, seq=0))
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(FULL)")
    for seq, state in enumerate(states, 1):
        journal.save(Record("app", state, seq=seq))
    copied = tmp_path / "after"
    copied.mkdir()
    for file in tmp_path.glob("journal.db*"):
        shutil.copy(file, copied)
    log = copied / "journal.db-wal"
    os.truncate(log, int(log.stat().st_size * part))
    (copied / "journal.db-shm").unlink(missing_ok=True)  # memory: it does not outlive the power

    found: Journal = open_journal(copied / "journal.db")

    record = found.record("app")
    assert found.readable
    assert record.state is ([S.IDLE, *states][record.seq])
    assert (record.seq == 0) is (part == 0.0)
    found.close()
    journal.close()


def test_a_journal_that_was_lost_in_a_trial_ends_with_the_old_release_by_the_guard(tmp_path: Path) -> None:
    device = on_trial(tmp_path)
    for file in tmp_path.glob("journal.db*"):
        file.unlink()
    device.server.bundle = None

    device.play(device.start_agent(), 5.0)
    trial = guard.load_record(device.component_dir, "trial")

    assert trial is not None
    assert guard.must_act(trial, 1e12)
    assert device.boot_control.state(SlotName.B) is SlotState.BAD
