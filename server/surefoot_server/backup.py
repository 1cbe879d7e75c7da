"""One file with everything a server needs to go on: database, keys, signed metadata, secrets and artifacts.

Promises: it may be made while the server runs; the database in it is one moment, and every file it names is in it too,
because files are copied after it and never change once they are there. Keys travel as they lie on the disk: encrypted
ones stay encrypted, and an offline key without a passphrase is refused. A backup is readable by its owner alone, is
complete or not there at all, and is checked piece by piece by its hashes before anything of it is put in place.
Refuses to restore over a server that is there: the folders must be empty. What the server counts rises by the clock,
so a restored one does not count below what devices have seen (`keys.counter`); the feed's numbers go on from the clock,
so that none comes twice to who reads it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO

from sqlalchemy import make_url

from surefoot_server.config import Settings
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, Unreachable

MANIFEST = "manifest.json"
DATABASE = "database"
LEFT_OUT = frozenset({"broker", "server.lock", "surefoot.db", "surefoot.db-wal", "surefoot.db-shm"})
"""Of the data folder: the broker is made anew at each start, the database is copied by itself."""
PIECE = 1 << 20
ENCRYPTED = b"ENCRYPTED PRIVATE KEY"
FEED = "feed_event"
PG_GOES_ON = """DO $$ BEGIN IF to_regclass('feed_event') IS NOT NULL THEN
PERFORM setval(pg_get_serial_sequence('feed_event', 'id'), greatest({}, (SELECT coalesce(max(id), 1) FROM feed_event)));
END IF; END $$"""
"""The same as `_go_on`, on PostgreSQL."""


@dataclass(frozen=True)
class Manifest:
    """The last entry of the archive; `files` has the sha256 of each of the others."""

    made_at: str
    database: str
    """sqlite or postgresql."""
    files: dict[str, str]
    v: int = 1


@dataclass(frozen=True)
class Made:
    path: Path
    files: int
    size_bytes: int


def back_up(settings: Settings, target: Path, now: datetime) -> Made:
    """Write the archive; raises ConfigError, or Unreachable where PostgreSQL's programs are missing."""
    if target.exists():
        raise ConfigError("config_invalid", f"{target} is there already.", "Choose another name.")
    _refuse_open_keys(settings.keys_dir)
    part = target.with_name(f".{target.name}.part")
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".surefoot-backup-") as scratch:
            dump = Path(scratch) / DATABASE
            kind = _dump(settings, dump)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
                files = {name: _add(archive, path, name) for name, path in _entries(settings, dump)}
                _add_manifest(archive, Manifest(now.isoformat(), kind, files))
                file.flush()
                os.fsync(file.fileno())
        part.rename(target)
    except OSError as error:
        raise ConfigError("config_invalid", f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)
    return Made(target, len(files), target.stat().st_size)


def restore(settings: Settings, source: Path, at_ms: int | None = None) -> Made:
    """Put everything in its place; raises ConfigError where something is there already or the archive is damaged.

    `at_ms`: from which number the feed goes on; milliseconds of the clock, which no server outruns.
    """
    at_ms = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    for folder in (settings.data_dir, settings.keys_dir):
        if folder.exists() and any(folder.iterdir()):
            hint = "Restore into empty folders, and start the server with them."
            raise ConfigError("conflict", f"{folder} is not empty.", hint)
    unpacked = settings.data_dir.with_name(f".{settings.data_dir.name}.restoring")
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        unpacked.mkdir(mode=0o700, parents=True)
        manifest = _unpack(source, unpacked)
        _load(settings, manifest, unpacked / DATABASE, at_ms)
        _place(unpacked / "keys", settings.keys_dir)
        _place(unpacked / "data", settings.data_dir)
    except OSError as error:
        raise ConfigError("config_invalid", f"{source} cannot be restored: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    return Made(source, len(manifest.files), source.stat().st_size)


def _refuse_open_keys(keys_dir: Path) -> None:
    for path in sorted((keys_dir / "offline").glob("*.pem")):
        if ENCRYPTED not in path.read_bytes():
            hint = "Offline keys carry a passphrase; a copy without one would be worth the whole fleet."
            raise ConfigError("key_permissions", f"{path} is not encrypted.", hint)


def _entries(settings: Settings, dump: Path) -> Iterator[tuple[str, Path]]:
    yield DATABASE, dump
    for name, root in (("keys", settings.keys_dir), ("data", settings.data_dir)):
        for folder, folders, files in os.walk(root):
            here = Path(folder).relative_to(root)
            folders[:] = sorted(each for each in folders if here != Path() or each not in LEFT_OUT)
            for each in sorted(files):
                path = Path(folder) / each
                if (here == Path() and each in LEFT_OUT) or path.is_symlink() or not path.is_file():
                    continue
                yield str(PurePosixPath(name, *here.parts, each)), path


def _add(archive: tarfile.TarFile, path: Path, name: str) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        info = archive.gettarinfo(arcname=name, fileobj=file)
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        archive.addfile(info, _Hashing(file, digest))
    return digest.hexdigest()


class _Hashing(io.RawIOBase):
    """Hashes what is read of a file: a file that grows meanwhile has the hash of what went into the archive."""

    def __init__(self, file: IO[bytes], digest: hashlib._Hash) -> None:
        self._file, self._digest = file, digest

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._digest.update(piece)
        return piece


def _add_manifest(archive: tarfile.TarFile, manifest: Manifest) -> None:
    raw = json.dumps(wire.to_json(manifest), indent=1, sort_keys=True).encode()
    info = tarfile.TarInfo(MANIFEST)
    info.size, info.mode = len(raw), 0o600
    archive.addfile(info, io.BytesIO(raw))


def _unpack(source: Path, into: Path) -> Manifest:
    hashes, manifest = dict[str, str](), None
    try:
        with tarfile.open(source, mode="r:") as archive:
            for member in archive:
                inner = archive.extractfile(member)
                if inner is None or not _inside(member.name):
                    raise _damaged(source, f"{member.name[:80]!r} is no plain file")
                if member.name == MANIFEST:
                    manifest = wire.decode(Manifest, inner.read(), limit_bytes=1 << 30)
                    continue
                hashes[member.name] = _write(into / member.name, inner, member.mode & 0o700)
    except tarfile.TarError as error:
        raise _damaged(source, str(error)) from error
    if manifest is None or manifest.files != hashes:
        raise _damaged(source, "its hashes do not match")
    return manifest


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    top = path.parts[0] if path.parts else ""
    return not path.is_absolute() and ".." not in path.parts and top in (DATABASE, MANIFEST, "keys", "data")


def _write(path: Path, inner: IO[bytes], mode: int) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode | 0o600), "wb") as file:
        while piece := inner.read(PIECE):
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _damaged(source: Path, why: str) -> ConfigError:
    return ConfigError("config_unreadable", f"{source} is no whole backup: {why}.", "Nothing was changed.")


def _place(folder: Path, target: Path) -> None:
    folder.mkdir(exist_ok=True, mode=0o700)
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        target.rmdir()  # it is empty
    shutil.move(folder, target)


def _dump(settings: Settings, to: Path) -> str:
    url = make_url(settings.database)
    if url.get_backend_name() == "postgresql":
        _run("pg_dump", settings, "--format=custom", f"--file={to}")
        return "postgresql"
    path = Path(url.database or "")
    if not path.exists():
        raise ConfigError("config_invalid", f"There is no database at {path}.", "Is --data the server's folder?")
    with contextlib.closing(sqlite3.connect(path)) as live, contextlib.closing(sqlite3.connect(to)) as copy:
        live.backup(copy)
    return "sqlite"


def _load(settings: Settings, manifest: Manifest, dump: Path, at_ms: int) -> None:
    kind = make_url(settings.database).get_backend_name()
    if kind != manifest.database:
        hint = f"Give the server a database_url of {manifest.database}."
        raise ConfigError("conflict", f"The backup holds a database of {manifest.database}, not of {kind}.", hint)
    if kind == "postgresql":
        _run("pg_restore", settings, "--exit-on-error", "--single-transaction", "--no-owner", "--dbname=", str(dump))
        dump.unlink()
        _run("psql", settings, "--quiet", "--set=ON_ERROR_STOP=1", f"--command={PG_GOES_ON.format(at_ms)}")
        return
    _go_on(dump, at_ms)
    place = Path(make_url(settings.database).database or "")
    if place.parent == settings.data_dir:
        target = dump.parent / "data" / place.name
        target.parent.mkdir(mode=0o700, exist_ok=True)
        dump.rename(target)
    else:
        shutil.move(dump, place)


def _go_on(path: Path, at_ms: int) -> None:
    """Let the feed of an SQLite database count on from there; one of an old version has none yet."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        if database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (FEED,)).fetchone() is None:
            return
        last = database.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (FEED,)).fetchone()
        database.execute("DELETE FROM sqlite_sequence WHERE name = ?", (FEED,))
        database.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (FEED, max(at_ms, last[0] if last else 0)))


def _run(program: str, settings: Settings, *arguments: str) -> None:
    """Run one of PostgreSQL's programs; where and as whom stands in its environment, never on its command line."""
    url = make_url(settings.database)
    host = url.host or url.query.get("host", "")
    known = {
        "PGHOST": host if isinstance(host, str) else host[0],
        "PGPORT": str(url.port or ""),
        "PGUSER": url.username or "",
        "PGPASSWORD": str(url.password or ""),
        "PGDATABASE": url.database or "",
    }
    found = shutil.which(program)
    if found is None:
        raise Unreachable("unreachable", f"{program} is missing.", "Install it with: apt-get install postgresql-client")
    where = {name: value for name, value in known.items() if value}
    arguments = tuple(f"--dbname={url.database}" if each == "--dbname=" else each for each in arguments)
    ran = subprocess.run([found, *arguments], env={**os.environ, **where}, capture_output=True, text=True)
    if ran.returncode:
        said = ran.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise ConfigError("config_invalid", f"{program} failed: {said[0][:300]}.")
