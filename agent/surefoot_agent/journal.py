"""The durable memory of the agent: one SQLite file with the record, the outbox, the telemetry spool and a few facts.

Promises: `save` stores a record and the events that go with it in one transaction, on the medium when it returns (WAL,
synchronous=FULL); events are numbered without gaps in one `stream`, which is born with the file; the outbox keeps an
event until it is acknowledged, the spool keeps samples within its bound, oldest dropped first and counted.
Refuses to guess: a file that cannot be read is left as it is, `readable` is False, and what is noted meanwhile is
forgotten with the process. A disk that takes no write leaves a copy in memory that reads and does not keep (`stores` is
False), under a stream of its own, so that the device can still say so. Any thread may read status by `read_status`;
only the runner's thread writes.
Sources: sqlite.org/wal.html, sqlite.org/pragma.html#pragma_synchronous.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from surefoot_agent.holds import Holds
from surefoot_agent.record import Record
from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.messages import Event, EventKind, Sample
from surefoot_shared.status import AttemptState

FORMAT = 1
PROGRESS_KEPT = 2000
"""Progress events kept unacknowledged; an outcome is never dropped, a device alone for months makes few of them."""
RESERVE_BYTES = 256 * 1024
"""Given back to a full disk so that a verdict can still be stored; as long as a few hundred records."""
PROBE_BYTES = 64 * 1024
"""Stays free inside the journal and its log: room for some dozens of records on a disk that is full otherwise."""
RESERVE_SUFFIX = ".reserve"
SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS record (component TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS spool (batch INTEGER PRIMARY KEY, samples INTEGER NOT NULL, value BLOB NOT NULL);
"""
Draft = Callable[[int], Event]
"""An event that lacks only its number."""


@dataclass(frozen=True)
class Batch:
    """Numbered samples, as they wait for their acknowledgement."""

    batch: int
    samples: tuple[Sample, ...]


class Journal:
    """Open with `open_journal`."""

    def __init__(
        self, connection: sqlite3.Connection, reserve: Path | None, readable: bool, stores: bool = True
    ) -> None:
        self._db = connection
        self._reserve = reserve
        self.readable, self.stores = readable, stores
        self.stream = self._fact("stream")
        self.samples_dropped = int(self._fact("samples_dropped"))

    def begin_stream(self) -> None:
        """Number anew: what was numbered before may have been forgotten here, and be known to the server."""
        stream = uuid.uuid4().hex
        with self._writing():
            self._set_fact("stream", stream)
            for seq, value in self._db.execute("SELECT seq, value FROM outbox").fetchall():
                told = replace(wire.decode(Event, value), stream=stream)
                self._db.execute("UPDATE outbox SET value = ? WHERE seq = ?", (wire.encode(told), seq))
        self.stream = stream

    def numbered(self) -> tuple[int, int]:
        """The highest numbers that were ever given here, of an event and of a batch."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
        return (int(row[0]) if row else 0), int(self._fact("batch"))

    def record(self, component: str) -> Record:
        """Return the stored record, a new idle one for a component never seen; rescue where nothing can be read."""
        row = self._db.execute("SELECT value FROM record WHERE component = ?", (component,)).fetchone()
        if row is not None:
            return wire.decode(Record, row[0])
        return Record(component, AttemptState.IDLE if self.readable else AttemptState.RESCUE)

    def save(self, record: Record, drafts: Sequence[Draft] = ()) -> tuple[Event, ...]:
        """Store record and events together; return the events with their numbers."""
        with self._writing():
            self._db.execute("INSERT OR REPLACE INTO record VALUES (?, ?)", (record.component, wire.encode(record)))
            return tuple(self._append(draft) for draft in drafts)

    def note(self, drafts: Sequence[Draft]) -> tuple[Event, ...]:
        """Store events that change no record."""
        with self._writing():
            return tuple(self._append(draft) for draft in drafts)

    def waiting(self, above: int, limit: int) -> tuple[Event, ...]:
        """Return events above a number that wait for their acknowledgement, oldest first."""
        rows = self._db.execute("SELECT value FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", (above, limit))
        return tuple(wire.decode(Event, row[0]) for row in rows)

    def changes(self) -> int:
        """A number that grows with each row written here: who remembers it knows whether to look again."""
        return self._db.total_changes

    def waiting_count(self) -> int:
        return int(self._db.execute("SELECT COUNT(*) FROM outbox").fetchone()[0])

    def holds(self, event: int, batch: int) -> bool:
        """Say whether such an acknowledgement would free anything: a write for nothing wears flash."""
        query = "SELECT EXISTS(SELECT 1 FROM outbox WHERE seq <= ?) OR EXISTS(SELECT 1 FROM spool WHERE batch <= ?)"
        return bool(self._db.execute(query, (event, batch)).fetchone()[0])

    def is_empty(self) -> bool:
        """Say whether everything was acknowledged."""
        query = "SELECT NOT EXISTS(SELECT 1 FROM outbox) AND NOT EXISTS(SELECT 1 FROM spool)"
        return bool(self._db.execute(query).fetchone()[0])

    def acknowledged(self, event: int, batch: int) -> None:
        """Forget what the server has stored for good."""
        with self._writing():
            self._db.execute("DELETE FROM outbox WHERE seq <= ?", (event,))
            self._db.execute("DELETE FROM spool WHERE batch <= ?", (batch,))

    def reserve_batches(self, count: int) -> int:
        """Take `count` batch numbers for good and return the first; numbers rise in a stream, gaps are harmless."""
        with self._writing():
            first = int(self._fact("batch")) + 1
            self._set_fact("batch", str(first + count - 1))
            return first

    def spool(self, batches: Sequence[Batch], keep: int) -> None:
        """Store batches; where more than `keep` samples wait, whole ones go, oldest first, and are counted."""
        with self._writing():
            for batch in batches:
                row = (batch.batch, len(batch.samples), wire.encode({"samples": batch.samples}))
                self._db.execute("INSERT OR REPLACE INTO spool VALUES (?, ?, ?)", row)
            self._drop_above(keep)
        self.samples_dropped = int(self._fact("samples_dropped"))

    def batches(self, above: int, limit: int) -> tuple[Batch, ...]:
        rows = self._db.execute("SELECT batch, value FROM spool WHERE batch > ? ORDER BY batch LIMIT ?", (above, limit))
        return tuple(Batch(number, _samples(value)) for number, value in rows)

    def locked(self) -> bool:
        """Say whether a person or the application holds switches back."""
        return self._fact("locked") == "1"

    def set_locked(self, locked: bool) -> None:
        with self._writing():
            self._set_fact("locked", "1" if locked else "0")

    def held_back(self, component: str) -> Holds:
        """Return what the application of a component holds back, or once held back."""
        return _holds(self._fact(f"holds.{component}"))

    def set_holds(self, component: str, holds: Holds) -> None:
        with self._writing():
            self._set_fact(f"holds.{component}", wire.encode(holds).decode())

    def next_hello(self) -> int:
        with self._writing():
            number = int(self._fact("hello")) + 1
            self._set_fact("hello", str(number))
            return number

    def has_reserve(self) -> bool:
        """Say whether a full disk can still be given something back; tried anew where it was used up."""
        if self._reserve is None:
            return False
        _fill(self._reserve)
        return self._reserve.exists()

    def close(self) -> None:
        self._db.close()

    def _append(self, draft: Draft) -> Event:
        """Number and store; AUTOINCREMENT never gives a number twice, even after everything was acknowledged."""
        cursor = self._db.execute("INSERT INTO outbox (kind, value) VALUES ('', '')")
        number = int(cursor.lastrowid or 0)
        event = draft(number)
        self._db.execute(
            "UPDATE outbox SET kind = ?, value = ? WHERE seq = ?", (event.kind.value, wire.encode(event), number)
        )
        self._db.execute(
            "DELETE FROM outbox WHERE kind = ? AND seq <= ?", (EventKind.PROGRESS.value, number - PROGRESS_KEPT)
        )
        return event

    def _drop_above(self, keep: int) -> None:
        rows = self._db.execute("SELECT batch, samples FROM spool ORDER BY batch").fetchall()
        total = sum(samples for _, samples in rows)
        for batch, samples in rows[:-1]:
            if total <= keep:
                break
            self._db.execute("DELETE FROM spool WHERE batch = ?", (batch,))
            self._set_fact("samples_dropped", str(int(self._fact("samples_dropped")) + samples))
            total -= samples

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One durable transaction. A full disk gets the reserve back; the caller's restart then succeeds."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError) and "full" in str(error) and self._reserve is not None:
                self._reserve.unlink(missing_ok=True)
            raise

    def _fact(self, name: str) -> str:
        row = self._db.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else "0"

    def _set_fact(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))


def open_journal(path: Path, new_stream: Callable[[], str] = lambda: uuid.uuid4().hex) -> Journal:
    """Open or make the journal. One that cannot be read is left alone; the one returned then lives in memory only.

    So does the copy of one that cannot be written. Raises OperationalError where another process holds it.
    """
    connection, reserve = None, path.with_name(path.name + RESERVE_SUFFIX)
    try:
        connection = _connect(path)
        _prepare(connection, new_stream())
        _check(connection)
        if not reserve.exists():
            _probe(connection)  # first: what the reserve gave back is for the log, and only then for another one
        _fill(reserve)
        return Journal(connection, reserve, True)
    except (sqlite3.DatabaseError, Invalid) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.OperationalError):
            if "locked" in str(error):
                raise
            if _given_back(reserve):  # as in _writing: what it gives back is room for the write-ahead log
                return open_journal(path, new_stream)
            if (copy := _copied(path, new_stream())) is not None:
                return Journal(copy, reserve, True, stores=False)
    memory = _connect(None)
    _prepare(memory, new_stream())
    return Journal(memory, None, False, stores=False)


def _copied(path: Path, stream: str) -> sqlite3.Connection | None:
    """What the file remembers, in memory; None where it cannot be read either. Its numbers belong to its own stream."""
    memory = _connect(None)
    _prepare(memory, stream)
    try:
        with closing(_reading(path)) as db:
            memory.executemany("INSERT INTO record VALUES (?, ?)", db.execute("SELECT component, value FROM record"))
            kept = "SELECT name, value FROM fact WHERE name = 'locked' OR name LIKE 'holds.%'"
            memory.executemany("INSERT INTO fact VALUES (?, ?)", db.execute(kept))
        _check(memory)
    except (sqlite3.DatabaseError, OSError, Invalid):
        memory.close()
        return None
    return memory


def _given_back(reserve: Path) -> bool:
    """Whether there was a reserve, and it is room now; what lies in a folder of somebody else is neither."""
    try:
        reserve.unlink()
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class StoredFacts:
    """What another process may know of a running agent."""

    record: Record
    locked: bool
    waiting: int
    holds: Holds = field(default_factory=Holds)


def read_facts(path: Path, component: str) -> StoredFacts:
    """Read the journal of a running agent from another process, changing nothing. Raises where it cannot be read."""
    if not path.exists():
        return StoredFacts(Record(component), False, 0)
    with closing(_reading(path)) as db:
        row = db.execute("SELECT value FROM record WHERE component = ?", (component,)).fetchone()
        locked = db.execute("SELECT value FROM fact WHERE name = 'locked'").fetchone()
        waiting = int(db.execute("SELECT COUNT(*) FROM outbox").fetchone()[0])
        held = db.execute("SELECT value FROM fact WHERE name = ?", (f"holds.{component}",)).fetchone()
    record = wire.decode(Record, row[0]) if row else Record(component)
    return StoredFacts(record, locked is not None and locked[0] == "1", waiting, _holds(held[0] if held else "0"))


def _reading(path: Path) -> sqlite3.Connection:
    """Open it for reading alone; a full disk has no room for the index of its log, which an empty log needs not."""
    uri, log = path.resolve().as_uri(), path.with_name(f"{path.name}-wal")
    db = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=5)
    try:
        db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        db.close()
        if "locked" in str(error) or (log.exists() and log.stat().st_size):
            raise
        return sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, timeout=5)
    return db


def _connect(path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=10, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _prepare(db: sqlite3.Connection, stream: str) -> None:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > FORMAT:
        raise Invalid("malformed", f"The journal has format {version}; this agent reads {FORMAT}.")
    tables = db.execute("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    if version < FORMAT or tables.fetchone()[0] < SCHEMA.count("CREATE TABLE"):  # a full disk is opened all the same
        db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")
    if db.execute("SELECT 1 FROM fact WHERE name = 'stream'").fetchone() is None:
        db.execute("INSERT OR IGNORE INTO fact VALUES ('stream', ?)", (stream,))


def _check(db: sqlite3.Connection) -> None:
    """Read it through once: rot is found now, not in the middle of an update."""
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise Invalid("malformed", f"The journal is damaged: {found}.")
    for (value,) in db.execute("SELECT value FROM record"):
        wire.decode(Record, value)


def _probe(db: sqlite3.Connection) -> None:
    """A disk that looks full must take what the next reports need, or nothing is begun. Raises OperationalError."""
    db.execute("INSERT OR REPLACE INTO fact VALUES ('probe', ?)", ("x" * PROBE_BYTES,))
    db.execute("DELETE FROM fact WHERE name = 'probe'")


def _fill(reserve: Path) -> None:
    try:
        if not reserve.exists() or reserve.stat().st_size < RESERVE_BYTES:
            reserve.write_bytes(b"\0" * RESERVE_BYTES)
    except OSError:
        with suppress(OSError):
            reserve.unlink(missing_ok=True)  # no room for it now; it is tried again


def _holds(text: str) -> Holds:
    """What cannot be read holds nothing back: it is a courtesy to the application, never a matter of safety."""
    try:
        return wire.decode(Holds, text.encode())
    except Invalid:
        return Holds()


def _samples(value: bytes) -> tuple[Sample, ...]:
    stored = wire.parse(value)["samples"]
    assert isinstance(stored, list)  # written so by spool()
    return tuple(_each_sample(stored))


def _each_sample(stored: Iterable[wire.Json]) -> Iterator[Sample]:
    return (wire.from_json(Sample, value) for value in stored)
