"""The server of a simulated world: the real services on a database of their own, driven by the world's queue.

Promises: device service, ingest, delivery, rollouts, judge and trust are the server's own, unchanged; what is left out
is sockets, threads and HTTP. The engine looks a second after something changed and, while nothing does, less and less
often: the server would have looked each second and decided nothing, which is what its own clock is told. The heartbeats
of devices that sleep between two steps are told to the database in one statement, as the hellos they stand for would.
"""

from __future__ import annotations

import copy
import functools
import itertools
import logging
import math
import operator
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, col, func, select

from surefoot_server.db import Database
from surefoot_server.delivery import Delivery
from surefoot_server.devices import repository as devices
from surefoot_server.devices.lending import Lending
from surefoot_server.devices.models import Assignment, Device
from surefoot_server.devices.service import DeviceService
from surefoot_server.inbound import Inbound, hand_in, read
from surefoot_server.ingest import Ingest
from surefoot_server.keys.install import install_keys
from surefoot_server.keys.online import OnlineRepository
from surefoot_server.releases.blobs import BlobStore
from surefoot_server.releases.leases import KEY_BYTES, LeaseTokens
from surefoot_server.releases.service import ReleaseService
from surefoot_server.rollouts.models import EngineClock
from surefoot_server.rollouts.service import RolloutService
from surefoot_shared.errors import Invalid, Unreachable
from surefoot_shared.identity import DevicePublicKey, public_to_pem
from surefoot_simulators.world.broker import WorldBroker
from surefoot_simulators.world.events import EventQueue
from surefoot_simulators.world.releases import STARTED_AT, Made
from surefoot_simulators.world.scratch import scratch_folder

log = logging.getLogger(__name__)
INTAKE_S = 0.1
"""As the intake gathers a batch."""
LOOK_S = 2.0
CALM = ("hello", "telemetry")
"""What a device says while nothing changes: the engine takes it in at its next look."""
AGAIN_S = 1.0
LONGER = 8
"""Times as long until the next look, after one that decided nothing."""
LONGEST_LOOK_S, LONGEST_QUIET_S = 60.0, 1800.0
"""Between two looks where attempts are open, and where none is."""
UNMARKED_S = 15.0
"""Half of what the engine takes for an outage."""
HEARD_S = 300.0
"""The agent's own heartbeat."""
REFRESH_S = 3600.0
"""As the server's clock has it: what the online keys signed is signed anew long before it ends."""
LEASE_S = 600.0
AWAKE = (
    sa.update(EngineClock)
    .where(col(EngineClock.id) == 1, col(EngineClock.ticked_at) < sa.bindparam("until"))
    .values(ticked_at=sa.bindparam("until"))
)
"""Built once, as what follows: it is said before every look."""
BLOB_LIMIT = 1 << 30


class Site:
    """`looked` is called when something may have changed."""

    def __init__(
        self,
        folder: Path,
        keys: Path,
        queue: EventQueue,
        broker: WorldBroker,
        new_id: Callable[[], str],
        looked: Callable[[], None],
        alive: Callable[[], Iterable[str]],
    ) -> None:
        """`alive` names the devices that would have said their heartbeat if they were not asleep between two steps."""
        self._queue, self.broker, self._looked, self._alive = queue, broker, looked, alive
        self._heard_at, self._marked_at, self._refreshed_at, self._seamless = 0.0, 0.0, 0.0, False
        folder.mkdir(parents=True)
        (folder / "surefoot.db").write_bytes(migrated())
        self.db = _ENGINES.lend(folder / "surefoot.db")
        installed = install_keys(keys, folder)
        self.roots = {
            name: (installed.bootstrap_dir / f"{name}.root.json").read_bytes() for name in ("image", "director")
        }
        online = OnlineRepository(installed.repo_dir, installed.online_dir, self.now)
        lending = Lending(LeaseTokens(b"k" * KEY_BYTES, LEASE_S), "https://simulated/blobs/")
        self.devices = DeviceService(online, lending, new_id)
        self.online = online
        self._blobs = BlobStore(folder / "blobs", BLOB_LIMIT)
        self.releases = ReleaseService(self.db, self._blobs, online)
        self._start()
        self.up, self.looks, self.batches = True, 0, 0
        self._intake_waits = False
        self._look_number, self._patience_s = itertools.count(1), LOOK_S
        self._newest_look, self._look_at = 0, math.inf
        broker.arrived = self._arrived

    def now(self) -> datetime:
        return STARTED_AT + timedelta(seconds=self._queue.now)

    def _start(self) -> None:
        """What a process of the server holds in memory."""
        self.rollouts = RolloutService(self.db, self.devices, self.online, self.broker.publish_halt)
        self.delivery = Delivery(self.db, self.devices, self.broker, self.now)
        self.ingest = Ingest(
            self.db,
            self.devices,
            lambda acks, leases: self.delivery.answer(sorted(acks, key=lambda ack: ack[0]), sorted(leases)),
            self.now,
        )
        self.db.forget_listeners()
        self.db.on_dirty(lambda ids: self.delivery.changed(sorted(ids)))
        self.db.on_dirty(lambda ids: self.ingest.forget_keys(sorted(ids)))

    def close(self) -> None:
        _ENGINES.give_back(self.db)

    # --- before -------------------------------------------------------------------------------------------------------

    def publish(self, made: Made) -> None:
        for name, raw in made.blobs.items():
            self._blobs.put(name, raw)
        self.releases.publish(made.role, made.raw, "scenario", self.now())

    def enrol(
        self, name: str, hw: str, key: DevicePublicKey, attributes: Mapping[str, str], tags: tuple[str, ...]
    ) -> None:
        with self.db.write() as session:
            pem = public_to_pem(key).decode()
            self.devices.register(session, name, hw, pem, self.now(), attributes=attributes, tags=tags)

    # --- while it runs ------------------------------------------------------------------------------------------------

    def act(self, what: Callable[[RolloutService, datetime], object]) -> object:
        """An operator's act; the engine looks afterwards. Raises what the server refuses it with."""
        if not self.up:
            raise Unreachable("unreachable", "The server does not answer.")
        if self.db.locked:
            raise Unreachable("busy", "The server cannot write to its database.")
        done = what(self.rollouts, self.now())
        self.delivery.say_waiting()
        self._look_soon()
        self._looked()
        return done

    def start_looking(self) -> None:
        self._look_soon()

    def stop(self) -> None:
        """The process is killed: what it held in memory is gone."""
        self.interrupted()
        self.up, self._look_at = False, math.inf
        self._newest_look = next(self._look_number)
        self.broker.server(here=False)

    def start(self) -> None:
        self.up = True
        self._start()
        self.broker.server(here=True)
        self._arrived()
        self._look_soon()

    def lock(self, locked: bool) -> None:
        """Somebody holds the database: every write of the server fails until it is let go."""
        if locked:
            self.interrupted()
        self.db.locked = locked
        if not locked and self.up:
            self._arrived()
            self._look_soon()

    def _arrived(self) -> None:
        if self.up and not self._intake_waits:
            self._intake_waits = True
            self._queue.later(INTAKE_S, self._take_in)

    def _take_in(self) -> None:
        self._intake_waits = False
        if not self.up:
            return
        telegrams = self.broker.waiting()
        said: list[Inbound] = []
        for telegram in telegrams:
            try:
                said.append(read(telegram, self.ingest.public_keys))
            except Invalid as error:
                log.warning("dead_letter topic=%s error=%s", telegram.topic, error)
        try:
            with self.ingest.batch() as batch:
                hand_in(said, batch)
        except Unreachable:
            self._intake_waits = True
            self._queue.later(AGAIN_S, self._take_in)
            return
        self.broker.acknowledge(telegrams)
        self.batches += 1
        self.delivery.say_waiting()
        if any(telegram.topic.rpartition("/")[2] not in CALM for telegram in telegrams):
            self._look_soon()
        elif telegrams:
            self._look_in(LONGEST_LOOK_S)
        if telegrams:
            self._looked()

    def _look_soon(self) -> None:
        self._patience_s = LOOK_S
        self._look_in(LOOK_S)

    def _look_in(self, seconds: float) -> None:
        """Look then, unless it looks earlier anyway."""
        if self._queue.now + seconds < self._look_at:
            self._look_at = self._queue.now + seconds
            number = self._newest_look = next(self._look_number)
            self._queue.later(seconds, lambda: self._look(number))

    def _look(self, number: int) -> None:
        if number != self._newest_look or not self.up:
            return
        self.looks, self._look_at = self.looks + 1, math.inf
        try:
            changed = self._tick()
        except OperationalError as error:  # as the server's own clock, which runs the job again
            log.warning("look_failed error=%s", error)
            self._look_in(AGAIN_S)
            return
        self.delivery.say_waiting()
        self._patience_s = LOOK_S if changed else min(LONGER * self._patience_s, self._longest_s())
        self._look_in(self._patience_s)
        if changed:
            self._looked()

    def _tick(self) -> int:
        now = self.now()
        if self._queue.now - self._heard_at >= HEARD_S:
            self._heard_at = self._queue.now
            self._hear()
        if self._queue.now - self._refreshed_at >= REFRESH_S:
            self._refresh(now)
        if self._seamless and self._queue.now - self._marked_at > UNMARKED_S:
            self._was_awake(now - timedelta(seconds=LOOK_S))
        self._seamless, self._marked_at = self.broker.up, self._queue.now
        return self.rollouts.tick(now, reachable=self.broker.up)

    def _refresh(self, now: datetime) -> None:
        self._refreshed_at = self._queue.now
        if self.online.refresh(now):
            self.broker.publish_trust(self.online.hint())
            self.broker.publish_halt(self.online.halt_list())

    def interrupted(self) -> None:
        """From here on the server does not look each second; until now it did."""
        if self._seamless:
            self._was_awake(self.now())
        self._seamless = False

    def _hear(self) -> None:
        """Heartbeats of devices that are connected and have nothing else to say, in one statement for all of them."""
        with self.db.write() as session:
            devices.touch(session, sorted(self._alive()), self.now())

    def _was_awake(self, until: datetime) -> None:
        """The looks that were left out, which would have decided nothing, are in the engine's clock."""
        with self.db.write() as session:
            session.connection().execute(AWAKE, {"until": until})

    def _longest_s(self) -> float:
        if LONGER * self._patience_s <= LONGEST_LOOK_S:
            return LONGEST_LOOK_S
        with self.db.read() as session:
            count = session.exec(select(func.count()).select_from(Assignment).where(col(Assignment.open).is_(True)))
            return LONGEST_LOOK_S if count.one() else LONGEST_QUIET_S

    def online_devices(self) -> int:
        with self.db.read() as session:
            count: int = session.exec(
                select(func.count()).select_from(Device).where(col(Device.online).is_(True))
            ).one()
            return count


@functools.cache
def migrated() -> bytes:
    """A database as the first start leaves it; made once a process."""
    folder = scratch_folder()
    made = Database.at(folder / "surefoot.db")
    made.upgrade()
    made.dispose()
    raw = (folder / "surefoot.db").read_bytes()
    shutil.rmtree(folder)
    return raw


class _Database(Database):
    """One whose writes fail while it is locked, as SQLite's do after their busy timeout."""

    locked = False

    @contextmanager
    def write(self, *, urgent: bool = False) -> Iterator[Session]:
        if self.locked:
            raise OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))
        with super().write(urgent=urgent) as session:
            yield session

    def forget_listeners(self) -> None:
        self._listeners = []


class _Engines:
    """Engines that serve one world after another, each on a file of its own: a new one compiles every statement anew,
    which took half of the time of a short scenario. Nothing of a world stays but what was compiled.
    """

    def __init__(self) -> None:
        self._idle: list[tuple[_Database, list[str]]] = []

    def lend(self, path: Path) -> _Database:
        lent, place = self._idle.pop() if self._idle else self._make()
        place[:] = [str(path)]
        database = copy.copy(lent)
        database.url, database.locked = f"sqlite:///{path}", False
        database.forget_listeners()
        return database

    def give_back(self, database: _Database) -> None:
        """Its connections are closed."""
        database.dispose()
        self._idle.append((database, self._places[id(database.engine)]))

    _places: ClassVar[dict[int, list[str]]] = {}

    def _make(self) -> tuple[_Database, list[str]]:
        database, place = _Database("sqlite:///lent.db"), list[str]()
        event.listen(database.engine, "do_connect", lambda _d, _r, cargs, _p: operator.setitem(cargs, 0, place[0]))
        self._places[id(database.engine)] = place
        return database, place


_ENGINES = _Engines()
