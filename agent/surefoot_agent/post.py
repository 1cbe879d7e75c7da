"""Deliver what the server must know: the outbox and the telemetry, again and again until each is acknowledged.

Promises: nothing leaves the journal before its acknowledgement; after every connect, and after a silence, all that is
not acknowledged is sent again, oldest first; events are sealed with the device's key at the moment they are sent.
Telemetry waits in memory for up to SPOOL_S before it is written, because flash wears; a crash loses no more than that.
Where more samples wait than are kept, the oldest go first and are counted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from surefoot_agent.journal import Batch, Journal
from surefoot_shared import wire
from surefoot_shared.messages import Ack, Event, Events, Sample, Sealed, TelemetryBatch
from surefoot_shared.seals import SealKind

log = logging.getLogger(__name__)
EVENTS_A_MESSAGE = 20
MESSAGE_BYTES = 128 * 1024
"""Half of what the broker lets through: an envelope escapes quotes."""
RESEND_S = 20.0
"""Silence after which everything unacknowledged is sent again; an acknowledgement takes well under a second."""
SPOOL_S = 60.0
BATCHES_AT_ONCE = 50
NUMBERS = 100
"""Batch numbers taken from the journal at a time: one write for a hundred batches."""


class Publisher(Protocol):
    """The part of the link that the agent speaks through."""

    def publish(self, what: str, payload: bytes) -> bool:
        """Send at QoS 1 to `up/what`; False where there is no connection, and nothing was sent."""


class Post:
    """Lives on the runner's thread."""

    def __init__(
        self,
        device: str,
        journal: Journal,
        link: Publisher,
        seal: Callable[[SealKind, bytes], Sealed],
        keep: int,
    ) -> None:
        self._device, self._journal, self._link, self._seal, self._keep = device, journal, link, seal, keep
        self._connected = False
        self._event_sent = self._batch_sent = 0
        self._resend_at: float | None = None
        self._fresh: list[Batch] = []
        self._fresh_since = 0.0
        self._numbers: list[int] = []
        self._all_sent: tuple[int, ...] = ()
        """How everything stood when nothing was left to send: a second later it mostly stands so still."""

    def connected(self, now: float) -> None:
        """Begin anew: what was on its way when the connection broke may be lost."""
        self._connected = True
        self._event_sent = self._batch_sent = 0
        self.flush(now)

    def disconnected(self) -> None:
        self._connected = False

    def flush(self, now: float) -> None:
        """Send what was not sent on this connection."""
        if not self._connected or self._stands() == self._all_sent:
            return
        try:
            while self._send_events(now) or self._send_batches(now):
                pass
        except _NotSent:
            return
        self._all_sent = self._stands()

    def acknowledged(self, ack: Ack) -> bool:
        """Forget what is stored for good; an acknowledgement of another journal's stream means nothing here.

        True where the server has stored what was never numbered here, so the journal lost its memory: it numbers anew.
        """
        if ack.stream != self._journal.stream:
            return False
        events, batches = self._journal.numbered()
        if ack.event > events or ack.batch > batches:
            log.error("journal_forgot event=%d of=%d batch=%d of=%d", events, ack.event, batches, ack.batch)
            self._journal.begin_stream()
            self._event_sent, self._batch_sent, self._all_sent = 0, 0, ()
            return True
        self._fresh = [b for b in self._fresh if b.batch > ack.batch]
        if self._journal.holds(ack.event, ack.batch):
            self._journal.acknowledged(ack.event, ack.batch)
        if not self._fresh and self._journal.is_empty():
            self._resend_at = None
        return False

    def add(self, samples: Sequence[Sample], now: float) -> None:
        """Number and keep samples; send them if there is a connection."""
        if not samples:
            return
        if not self._numbers:
            first = self._journal.reserve_batches(NUMBERS)
            self._numbers = list(range(first, first + NUMBERS))
        if not self._fresh:
            self._fresh_since = now
        self._fresh.append(Batch(self._numbers.pop(0), tuple(samples)))
        self.flush(now)

    def tick(self, now: float) -> None:
        """Write telemetry that waited long enough; send again after a silence."""
        if self._fresh and now - self._fresh_since >= SPOOL_S:
            self.persist()
        if self._connected and self._resend_at is not None and now >= self._resend_at:
            self._event_sent = self._batch_sent = 0
            self._resend_at = None
        self.flush(now)

    def persist(self) -> None:
        """Write the telemetry that is only in memory."""
        if self._fresh:
            self._journal.spool(self._fresh, self._keep)
            self._fresh = []

    def _send_events(self, now: float) -> bool:
        events = _fit(self._journal.waiting(self._event_sent, EVENTS_A_MESSAGE))
        if not events:
            return False
        sealed = tuple(self._seal(SealKind.EVENT, wire.encode(event)) for event in events)
        return self._sent("events", wire.encode(Events(sealed)), now) and self._advance(events[-1].seq, None)

    def _send_batches(self, now: float) -> bool:
        stored = self._journal.batches(self._batch_sent, BATCHES_AT_ONCE)
        fresh = [b for b in self._fresh if b.batch > self._batch_sent]
        batch = next(iter((*stored, *fresh)), None)
        if batch is None:
            return False
        message = TelemetryBatch(
            self._device, self._journal.stream, batch.batch, self._journal.samples_dropped, batch.samples
        )
        return self._sent("telemetry", wire.encode(message), now) and self._advance(None, batch.batch)

    def _stands(self) -> tuple[int, ...]:
        newest = self._fresh[-1].batch if self._fresh else 0
        return self._journal.changes(), self._event_sent, self._batch_sent, newest

    def _sent(self, what: str, payload: bytes, now: float) -> bool:
        if not self._link.publish(what, payload):
            raise _NotSent
        if self._resend_at is None:
            self._resend_at = now + RESEND_S
        return True

    def _advance(self, event: int | None, batch: int | None) -> bool:
        self._event_sent = self._event_sent if event is None else event
        self._batch_sent = self._batch_sent if batch is None else batch
        return True


class _NotSent(Exception):
    """There is no connection after all."""


def _fit(events: Sequence[Event]) -> Sequence[Event]:
    """The first events that fit one message; the first always goes."""
    size = 0
    for count, event in enumerate(events):
        size += len(wire.encode(event))
        if size > MESSAGE_BYTES and count:
            return events[:count]
    return events
