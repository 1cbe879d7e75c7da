"""Tell devices what changed for them, after the transaction that changed it: bundles, leases and acks.

Promises: what is said comes from committed rows, read when it is said, so many changes of one device become one
bundle; a device is never told of a wish that a crash took back. Losing a message here costs time only: hello is
answered again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from surefoot_server import db
from surefoot_server.db import Database
from surefoot_server.devices import ahead, unsigned
from surefoot_server.devices.repository import Orders
from surefoot_server.devices.service import DeviceService
from surefoot_server.state import Downlink
from surefoot_shared.errors import SurefootError
from surefoot_shared.messages import Ack, Lease

log = logging.getLogger(__name__)
AT_ONCE = 100
"""Devices whose rows are read together: what the last of them is told is read this much before it is said."""


@dataclass(frozen=True, slots=True)
class _Message:
    """What one device is to be told; `error` is why nothing could be made for it."""

    device_id: str
    bundle: bytes | None = None
    lease: Lease | None = None
    shares_a_rate: bool = False
    noted: bool = False
    """An order of it is noted as one that could not be signed."""
    revoked: bool = False
    error: SurefootError | None = None


class Delivery:
    """One thread that turns changed device ids into messages. `changed` and `answer` may be called from anywhere."""

    def __init__(
        self,
        database: Database,
        devices: DeviceService,
        downlink: Downlink,
        clock: Callable[[], datetime] = db.utc_now,
    ) -> None:
        self._db, self._devices, self._downlink, self._clock = database, devices, downlink, clock
        self._bundles: dict[str, None] = {}
        self._leases: dict[str, None] = {}
        self._unsigned: dict[str, None] = {}
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Say what is waiting, then end."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def changed(self, device_ids: Iterable[str]) -> None:
        """The wishes of these devices changed, or they said hello."""
        with self._wake:
            self._bundles.update(dict.fromkeys(device_ids))
            self._wake.notify()

    def answer(self, acks: Sequence[tuple[str, Ack]], waiting_for_leave: Iterable[str]) -> None:
        """A batch of messages is stored: acknowledge it, and serve those who wait for leave to download."""
        for device_id, ack in acks:
            self._downlink.publish_ack(device_id, ack)
        with self._wake:
            self._leases.update(dict.fromkeys(waiting_for_leave))
            self._wake.notify()

    def again(self) -> None:
        """Try to tell those for whom nothing could be signed."""
        with self._wake:
            self._bundles.update(self._unsigned)
            self._wake.notify()

    def waiting(self) -> int:
        with self._wake:
            return len(self._bundles) + len(self._leases)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._bundles or self._leases or self._stopping)
            if not self.say_waiting():
                return

    def say_waiting(self) -> bool:
        """Say what is waiting now; False where nothing was. Without the thread this is how a simulator drives it."""
        with self._wake:
            bundles, self._bundles = self._bundles, {}
            leases, self._leases = self._leases, {}
        due = [*bundles, *(device_id for device_id in leases if device_id not in bundles)]
        for begin in range(0, len(due), AT_ONCE):
            self._say(due[begin : begin + AT_ONCE], bundles)
        return bool(due)

    def _say(self, device_ids: Sequence[str], bundles: Collection[str]) -> None:
        """`bundles`: those who are told what is wanted of them, and not only given leave to download."""
        now = self._clock()
        try:
            with self._db.read() as session:
                ahead.devices(session, device_ids)
                orders = ahead.orders(session, device_ids)
                made = [self._make(session, name, orders[name], name in bundles, now) for name in device_ids]
        except Exception:  # one device's trouble must not silence the rest of the fleet
            if len(device_ids) > 1:
                for device_id in device_ids:
                    self._say([device_id], bundles)
            else:
                log.exception("delivery_failed device=%s", device_ids[0])
            return
        for message in made:
            try:
                self._send(message, now)
            except Exception:
                log.exception("delivery_failed device=%s", message.device_id)

    def _make(self, session: Session, device_id: str, wanted: Orders, with_bundle: bool, now: datetime) -> _Message:
        try:
            if self._devices.is_revoked(session, device_id):
                return _Message(device_id, revoked=True)
            raw = self._devices.bundle_for(session, device_id, now, wanted=wanted) if with_bundle else None
            shared = self._devices.shares_a_rate(session, device_id, now, wanted)
            lease = None if shared else self._devices.lease_for(session, device_id, now, wanted)
        except SurefootError as error:
            return _Message(device_id, error=error)
        return _Message(device_id, raw, lease, shared, noted=with_bundle and unsigned.known(wanted))

    def _send(self, message: _Message, now: datetime) -> None:
        device_id, lease = message.device_id, message.lease
        if message.error is not None:
            self._failed(device_id, message.error)
            return
        if message.revoked:
            self._downlink.forget(device_id)
        if message.revoked or message.bundle is not None:
            self._signed(device_id, message.noted)
        if message.shares_a_rate:  # what is lent of it is written down
            try:
                with self._db.write() as session:
                    lease = self._devices.lease_for(session, device_id, now)
            except SurefootError as error:
                self._failed(device_id, error)
                return
        if message.bundle is not None:
            self._downlink.publish_bundle(device_id, message.bundle)
        if lease is not None:
            self._downlink.publish_lease(device_id, lease)

    def _failed(self, device_id: str, error: SurefootError) -> None:
        if error.kind == unsigned.NOT_SIGNED:
            self._not_signed(device_id, error.message)
        log.error("delivery_failed device=%s kind=%s message=%s", device_id, error.kind, error.message)

    def _signed(self, device_id: str, known: bool) -> None:
        with self._wake:
            self._unsigned.pop(device_id, None)
        if known:
            with self._db.write() as session:
                unsigned.clear(session, device_id)

    def _not_signed(self, device_id: str, why: str) -> None:
        """Remember it here, to try again, and in the database, so that people and the engine see it."""
        with self._wake:
            self._unsigned[device_id] = None
        with self._db.write() as session:
            unsigned.note(session, device_id, why)
