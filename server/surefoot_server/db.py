"""The database: sessions, transactions and the few things SQLite and PostgreSQL do differently.

Promises: every write transaction on SQLite is BEGIN IMMEDIATE (a deferred one that reads before it writes fails with
BUSY under load, measured: 491 of 600), readers never block the writer (WAL), times come back as UTC, and the devices
whose wishes a transaction changed are announced after its commit and never before. Refuses dialect-specific SQL
anywhere else.
"""

from __future__ import annotations

import functools
import json
import logging
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import ORMExecuteState
from sqlalchemy.sql.base import ExecutableOption
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ColumnElement, FunctionElement
from sqlalchemy.types import TypeDecorator
from sqlmodel import Session, SQLModel, create_engine

from surefoot_server.in_turn import InTurn
from surefoot_server.space import HINT, is_full
from surefoot_shared.errors import ConfigError

BUSY_TIMEOUT_S = 10.0
"""Longer than any write transaction of ours: waiting for the one writer is normal, failing is not."""
FULL_FOR_S = 60.0
"""How long /healthz repeats that a write found no room: longer than the interval at which it is commonly asked."""
NOT_OURS = ("file is not a database", "disk image is malformed", "unsupported file format")
"""What SQLite says of garbage and of a damaged file."""
DIRTY = "dirty_devices"
WATCHERS = "watchers"
ONLY: ContextVar[tuple[ExecutableOption, ...]] = ContextVar("only", default=())
"""What narrows every read of the request that is served here; see `access.reach`."""
NARROWED = "only"
WRITE = "surefoot_write"
JSON = sa.JSON(none_as_null=True)
"""None is NULL, so that `IS NULL` means what it says."""

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

Row = tuple[int, int, float]
DirtyListener = Callable[[frozenset[str]], None]


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC. SQLite has no zones and would hand back naive values; naive input is refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone must not reach the database")
        utc = value.astimezone(timezone.utc)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)


class Watcher(Protocol):
    """Sees each write transaction: what it flushed, the moment before its commit, and after it."""

    def flushed(self, session: Session) -> None: ...
    def committing(self, session: Session) -> None: ...
    def committed(self, session: Session) -> None: ...


class WriteSession(Session):
    """The session of a write transaction; a class of its own, so that reading sessions need not be watched."""


@event.listens_for(WriteSession, "after_flush")
def _flushed(session: Session, _context: object) -> None:
    for watcher in session.info.get(WATCHERS, ()):
        watcher.flushed(session)


class Database:
    """One engine and its two kinds of session: `read()` never writes, `write()` is one transaction."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _create_engine(url)
        self._writer = self.engine.execution_options(**{WRITE: True})
        self._listeners: list[DirtyListener] = []
        self._watchers: tuple[Watcher, ...] = ()
        self._full_at: float | None = None
        self._turns = InTurn()

    @classmethod
    def at(cls, path: Path) -> Database:
        return cls(f"sqlite:///{path}")

    @contextmanager
    def read(self, *, whole: bool = False) -> Iterator[Session]:
        """Yield a session that shows what whoever asks may see, or with `whole` everything: never for an answer."""
        with Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            if not whole and (only := ONLY.get()):
                session.info[NARROWED] = only
            yield session

    @contextmanager
    def write(self, *, urgent: bool = False) -> Iterator[Session]:
        """Yield a session in a write transaction; commit at the end, roll back on any error.

        `urgent` goes before whoever waits to write.
        """
        try:
            yield from self._write(urgent)
        except (DBAPIError, OSError) as error:
            if is_full(error):
                self._full_at = time.monotonic()
            raise

    def _write(self, urgent: bool) -> Iterator[Session]:
        with (
            self._turn(urgent),
            WriteSession(self._writer, expire_on_commit=False, info={WATCHERS: self._watchers}) as session,
        ):
            session.connection()  # BEGIN IMMEDIATE now, so that what is read is what will be written over
            yield session
            session.flush()
            for watcher in self._watchers:
                watcher.committing(session)
            session.commit()
            dirty = frozenset(session.info.get(DIRTY, ()))
        for watcher in self._watchers:
            watcher.committed(session)
        if dirty:
            for listener in self._listeners:
                listener(dirty)

    def _turn(self, urgent: bool) -> AbstractContextManager[object]:
        """SQLite has one writer; PostgreSQL lets them go on side by side."""
        return (
            self._turns.turn(BUSY_TIMEOUT_S, urgent=urgent) if self.engine.dialect.name == "sqlite" else nullcontext()
        )

    def failed_for_space(self) -> bool:
        """Whether a write found the disk full a moment ago; told by time, since an empty commit always succeeds."""
        return self._full_at is not None and time.monotonic() - self._full_at < FULL_FOR_S

    def on_dirty(self, listener: DirtyListener) -> None:
        """Call the listener with the ids of devices whose wishes a committed transaction changed."""
        self._listeners.append(listener)

    def watch(self, watcher: Watcher) -> None:
        """Let the watcher see every write transaction that begins from now on."""
        self._watchers = (*self._watchers, watcher)

    def upgrade(self) -> None:
        """Bring the schema to the newest migration; safe to call at every start."""
        logging.getLogger("alembic").setLevel(logging.WARNING)  # its plugins introduce themselves when imported
        from surefoot_server.migrations import upgrade  # the models import this module

        try:
            upgrade(self.engine)
        except (DBAPIError, sqlite3.DatabaseError) as error:
            refusal = self._unusable(error)
            if refusal is None:
                raise
            raise refusal from error

    def _unusable(self, error: Exception) -> ConfigError | None:
        """What an operator must do about a database that cannot be used at all; None for any other error."""
        where, said = self.engine.url.database or "The database", str(error)
        if is_full(error):
            return ConfigError("no_space", f"The disk below {where} is full, so the server cannot start.", HINT)
        if "unable to open database" in said:
            return ConfigError(
                "config_unreadable", f"{where} cannot be opened.", "It must be a file that the server may write."
            )
        if any(words in said for words in NOT_OURS):
            return ConfigError(
                "config_unreadable",
                f"{where} is not a database of Surefoot; restore it from a backup.",
                "Nothing was changed. Stop what wrote to it, and put the backup in its place.",
            )
        return None

    def dispose(self) -> None:
        self.engine.dispose()


def _narrow(state: ORMExecuteState) -> None:
    only = state.session.info.get(NARROWED)
    if only and state.is_select:
        state.statement = state.statement.options(*only)


event.listen(Session, "do_orm_execute", _narrow)


class _names_in(FunctionElement[bool]):
    """`column IN (…)` with any number of names in one parameter, which the databases limit otherwise."""

    type = sa.Boolean()
    inherit_cache = True
    name = "surefoot_names_in"


@compiles(_names_in)
def _names_in_json(element: _names_in, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, names = (compiler.process(each, **kwargs) for each in element.clauses)
    if compiler.dialect.name == "postgresql":
        return f"({column} IN (SELECT jsonb_array_elements_text(CAST({names} AS jsonb))))"
    return f"({column} IN (SELECT value FROM json_each({names})))"  # noqa: S608 - a column and a parameter


def names_in(column: Any, names: Collection[str]) -> ColumnElement[bool]:
    text = _listed(names) if isinstance(names, frozenset) else json.dumps(sorted(names))
    return _names_in(column, sa.bindparam(None, text, sa.String()))


@functools.lru_cache(maxsize=8)
def _listed(names: frozenset[str]) -> str:
    """One request asks thirty tables for the same names: written anew each time, 20,000 took half a second."""
    return json.dumps(sorted(names))


def mark_dirty(session: Session, device_id: str) -> None:
    """The device's wishes change with this transaction: it is announced once the transaction is committed."""
    session.info.setdefault(DIRTY, set()).add(device_id)


def table_of(model: type[SQLModel]) -> sa.Table:
    """The table behind a model, whose columns have the types of a database and not those of a row."""
    found: sa.Table = model.__table__  # type: ignore[attr-defined]  # SQLModel gives tables at run time
    return found


def insert_ignoring(session: Session, model: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert many rows in one executemany, leaving out those whose unique key exists; return how many were new."""
    if not rows:
        return 0
    table = table_of(model)
    statement = _insert(session, table).on_conflict_do_nothing()
    return session.connection().execute(statement, list(rows)).rowcount


def upsert_newer(session: Session, model: type[SQLModel], rows: Sequence[Mapping[str, Any]], age: str) -> None:
    """Insert many rows; where the primary key exists, take the new one unless its `age` column is older."""
    if not rows:
        return
    table = table_of(model)
    insert = _insert(session, table)
    keys = [column.name for column in table.primary_key]
    fresh = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys}
    statement = insert.on_conflict_do_update(
        index_elements=keys, set_=fresh, where=insert.excluded[age] >= table.c[age]
    )
    session.connection().execute(statement, list(rows))


def _insert(session: Session, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    dialect = session.get_bind().dialect.name
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def append(session: Session, model: type[SQLModel], names: Sequence[str], rows: Sequence[Sequence[float]]) -> None:
    """Add many rows of numbers the fastest way there is: COPY, or one executemany that passes over rows that exist."""
    if not rows:
        return
    table = table_of(model)
    connection, columns = session.connection(), ", ".join(names)
    if connection.dialect.name == "postgresql":
        line = "\t".join(["%s"] * len(names)) + "\n"
        text = "".join([line % tuple(row) for row in rows])
        _copy(connection, f"COPY {table.name} ({columns}) FROM STDIN", text)
        return
    marks = ", ".join("?" * len(names))
    connection.exec_driver_sql(
        f"INSERT OR IGNORE INTO {table.name} ({columns}) VALUES ({marks})",  # noqa: S608 - names of ours
        [tuple(row) for row in rows],
    )


def _copy(connection: Connection, statement: str, text: str) -> None:
    from psycopg import Cursor  # only where PostgreSQL is the database

    cursor = connection.connection.cursor()
    assert isinstance(cursor, Cursor)
    with cursor, cursor.copy(statement.encode()) as copy:
        copy.write(text)


def advance(session: Session, model: type[SQLModel], key: str, age: str, value: str, rows: Sequence[Row]) -> None:
    """Set `age` and `value` of existing rows, given as (key, age, value), unless what is there is newer."""
    if not rows:
        return
    table = table_of(model)
    connection, name = session.connection(), table.name
    if connection.dialect.name == "postgresql":
        # In the order of the keys: two writers that meet in the middle would wait for each other. Arrays as text: the
        # driver would look at every number to find its type.
        columns = ["{" + ",".join(map(repr, column)) + "}" for column in zip(*sorted(rows), strict=True)]
        connection.exec_driver_sql(
            f"UPDATE {name} SET {age} = new.a, {value} = new.v "  # noqa: S608 - names of ours
            "FROM unnest(%s::bigint[], %s::bigint[], %s::float8[]) AS new(k, a, v) "
            f"WHERE {name}.{key} = new.k AND {name}.{age} <= new.a",
            tuple(columns),
        )
        return
    connection.exec_driver_sql(
        f"UPDATE {name} SET {age} = ?2, {value} = ?3 WHERE {key} = ?1 AND {age} <= ?2",  # noqa: S608 - names of ours
        [tuple(row) for row in rows],
    )


def update_rows(session: Session, model: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
    """Update many rows, each given with its primary key, in one statement; all name the same columns of plain types."""
    if not rows:
        return
    table, names = table_of(model), list(rows[0])
    keys = [column.name for column in table.primary_key]
    if session.connection().dialect.name == "postgresql":
        # Its driver would send a row at a time, and SQLAlchemy makes a list of VALUES anew each time.
        # Sorted: two writers that meet in the middle would wait for each other.
        in_order = sorted(rows, key=lambda row: [row[key] for key in keys])
        columns = [[row[name] for row in in_order] for name in names]
        session.connection().exec_driver_sql(_update_from_arrays(table, tuple(names)), tuple(columns))
        return
    mine = sa.and_(*(table.c[key] == sa.bindparam(f"of_{key}") for key in keys))
    moved = [{f"of_{name}" if name in keys else name: value for name, value in row.items()} for row in rows]
    session.connection().execute(table.update().where(mine), moved)


@functools.lru_cache(maxsize=8)
def _update_from_arrays(table: sa.Table, names: tuple[str, ...]) -> str:
    keys = [column.name for column in table.primary_key]
    kinds = ", ".join(f"%s::{table.c[name].type.compile(postgresql.dialect())}[]" for name in names)  # type: ignore[no-untyped-call]
    changed = ", ".join(f"{name} = new.{name}" for name in names if name not in keys)
    mine = " AND ".join(f"{table.name}.{key} = new.{key}" for key in keys)
    return f"UPDATE {table.name} SET {changed} FROM unnest({kinds}) AS new({', '.join(names)}) WHERE {mine}"  # noqa: S608 - names of ours


def serialise(session: Session, key: int) -> None:
    """Let one transaction at a time past this point; SQLite's write transactions already are alone."""
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def _create_engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    # Many threads of one process open the file; sqlite3's own transaction control is off (isolation_level None).
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        # FULL: an ack promises the device that it may forget; NORMAL loses the newest commits with the power.
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(WRITE) else "BEGIN")
