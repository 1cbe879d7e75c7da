"""Make the packs that devices can use, one pair at a time, and drop those that nobody can.

Promises: one child process at a time, at the lowest priority, within limits of memory, disk and time; a pack is offered
only after the child proved it; the packs together stay within their limit of bytes; a pair that failed says why and is
tried again after a day. Refuses to hold anything up: publishing, rollouts and leases never wait for packs.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlmodel import Session

from surefoot_server import db
from surefoot_server.db import Database
from surefoot_server.devices.leave import Offered
from surefoot_server.packs import planning, repository
from surefoot_server.packs.models import PackPair
from surefoot_server.packs.orders import Answer, Order, Written
from surefoot_server.packs.planning import Pair
from surefoot_server.releases.blobs import CHUNK_BYTES, BlobStore
from surefoot_shared import wire
from surefoot_shared.errors import SurefootError
from surefoot_shared.messages import Pack
from surefoot_shared.pack import WHOLE, Encoding

log = logging.getLogger(__name__)
MEMORY_BYTES = 3 << 30
"""Of address space; about 1 GB of it is used for a release of 360 MB."""
TIME_LIMIT_S = 4 * 3600.0
CPU_S = int(TIME_LIMIT_S)
"""It takes one processor at most, also where several would be free."""
RETRY_AFTER = timedelta(days=1)
ANSWER_LIMIT_BYTES = 1 << 20
WHY_LIMIT = 200
OFFERS = "surefoot_offers"
NO_ROOM = "There was no room for its packs within packs_limit_bytes."


class Failed(Exception):
    """The child made nothing; the text says why."""


@dataclass(frozen=True)
class Shown:
    """What `surefoot release show` says of one pair."""

    from_digest: str
    from_release: str
    state: str
    reason: str
    size_bytes: int
    lacking_bytes: int
    seconds: float
    devices: int


class PackService:
    """`work` makes one pair or returns at once; call it from one thread. `stop` ends a child that is at work."""

    def __init__(self, database: Database, blobs: BlobStore, limit_bytes: int) -> None:
        """`limit_bytes` bounds all packs together; 0 makes none."""
        self._db, self._blobs, self._limit_bytes = database, blobs, limit_bytes
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopping = False

    def work(self, now: datetime | None = None) -> Pair | None:
        """Drop what is useless, then make the packs of the next pair; return it, or None where there is none."""
        now = now or db.utc_now()
        pair = self._tidy(now)
        if pair is None or self._stopping:
            return None
        with tempfile.TemporaryDirectory(dir=self._blobs.partial, prefix="packs-") as folder:
            try:
                answer = self._run(pair, Path(folder))
                packs = [self._keep(pair, made, Path(folder)) for made in (answer.manifest, *answer.packs)]
                row = _row(pair, "ready", "", now, answer)
            except (Failed, SurefootError, OSError) as error:
                if self._stopping:
                    return None
                log.error("packs_failed from=%s to=%s error=%s", pair.from_digest[:12], pair.to_digest[:12], error)
                packs, row = [], _row(pair, "failed", _why(error)[:WHY_LIMIT], now)
        with self._db.write() as session:
            repository.store(session, row, packs)
        log.info("packs_made from=%s to=%s bytes=%d", pair.from_digest[:12], pair.to_digest[:12], _total(packs))
        return pair

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            if self._child is not None:
                self._child.kill()

    def offers(self, session: Session, held: Sequence[str], to_digest: str) -> Offered:
        """Many devices hold the same and are to have the same: looked up once in a transaction."""
        found: dict[tuple[str, ...], Offered] = session.info.setdefault(OFFERS, {})
        asked = (to_digest, *held)
        if asked not in found:
            found[asked] = self._look_up(session, held, to_digest)
        return found[asked]

    def _look_up(self, session: Session, held: Sequence[str], to_digest: str) -> Offered:
        manifests = repository.offers(session, held, to_digest, of_manifest=True)
        return Offered(tuple(repository.offers(session, held, to_digest)), tuple(manifests))

    def _tidy(self, now: datetime) -> Pair | None:
        """Drop what is of no use or has no room, and say what to make next."""
        with self._db.read() as session:
            running, aims = repository.running(session), repository.aims(session)
            digests = {digest for _, digest in [*running, *aims]}
            pairs = planning.useful(running, aims, repository.known(session, digests)) if self._limit_bytes else {}
            kept = repository.kept(session)
            useless = {*planning.useless(kept, pairs), *repository.failed_before(session, now - RETRY_AFTER)}
            too_many = set(planning.too_many(kept, pairs, self._limit_bytes))
            done = repository.done(session) - useless
        if useless or too_many:
            with self._db.write() as session:
                names = [name for pair in useless | too_many for name in repository.forget(session, pair)]
                for pair in too_many:  # its row stays, so that it is not made anew at once
                    session.add(_row(pair, "failed", NO_ROOM, now))
            for name in names:
                self._blobs.remove(name)
        return planning.next_pair(pairs, done)

    def _run(self, pair: Pair, folder: Path) -> Answer:
        old, new = (str(self._blobs.existing(d)) if d != WHOLE else "" for d in (pair.from_digest, pair.to_digest))
        root, limit = str(self._blobs.root), self._limit_bytes
        encoding = Encoding.ZSTD if pair.from_digest == WHOLE else Encoding.XZ
        return self._start(Order(old, new, root, str(folder), encoding, MEMORY_BYTES, limit, CPU_S))

    def _start(self, order: Order) -> Answer:
        with self._lock:
            if self._stopping:
                raise Failed("the server stops")
            argv = [sys.executable, "-m", "surefoot_server.packs.child"]
            pipe = subprocess.PIPE
            self._child = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
        try:
            out, said = self._child.communicate(wire.encode(order), timeout=TIME_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"It took more than {TIME_LIMIT_S:.0f} s.") from error
        finally:
            with self._lock:
                self._child.kill()
                self._child.wait()
                code, self._child = self._child.returncode, None
        if code:
            lines = said.decode(errors="replace").strip().splitlines()
            raise Failed(lines[-1] if lines else f"The process ended with {code}.")
        return wire.decode(Answer, out, ANSWER_LIMIT_BYTES)

    def _keep(self, pair: Pair, made: Written, folder: Path) -> Pack:
        """Move a pack into the store, which checks its hash."""
        writer = self._blobs.write(made.sha256, made.size_bytes)
        try:
            with (folder / made.sha256).open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    writer.feed(chunk)
            writer.finish()
        except BaseException:
            writer.abort()
            raise
        return Pack(pair.from_digest, pair.to_digest, made.sha256, made.size_bytes, made.encoding, made.decoded_bytes)


def shown(session: Session, component: str, to_digest: str) -> list[Shown]:
    """What is there, pair by pair, with how many devices can use it."""
    running, names = repository.running(session), repository.names(session, component)
    return [
        Shown(
            row.from_digest,
            names.get(row.from_digest, ""),
            row.state,
            row.reason,
            size,
            row.lacking_bytes,
            round(row.seconds, 1),
            running.get((component, row.from_digest), 0),
        )
        for row, size in repository.of_release(session, to_digest)
    ]


def _why(error: Exception) -> str:
    return error.message if isinstance(error, SurefootError) else str(error)


def _row(pair: Pair, state: str, reason: str, now: datetime, answer: Answer | None = None) -> PackPair:
    return PackPair(
        from_digest=pair.from_digest,
        to_digest=pair.to_digest,
        state=state,
        reason=reason,
        lacking_bytes=answer.lacking_bytes if answer else 0,
        seconds=answer.seconds if answer else 0.0,
        peak_bytes=answer.peak_bytes if answer else 0,
        made_at=now,
    )


def _total(packs: Sequence[Pack]) -> int:
    return sum(pack.size_bytes for pack in packs)
