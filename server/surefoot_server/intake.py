"""The bounded queue and the one worker between the broker and the store.

Promises: `acknowledge` is called for messages whose transaction was committed, and for those put aside for good; what
cannot be parsed, proved or stored becomes a dead letter and never stops the rest; a device that floods is cut to its
rate; a store that is away is waited for, with the queue's length showing it.
Refuses to lose an event: what is put aside or cut was never acknowledged to the device, which keeps its copy.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from surefoot_server.inbound import GatewayHandlers, Inbound, Telegram, hand_in, read
from surefoot_server.rates import Rate, TokenBuckets
from surefoot_shared.errors import Invalid, Unreachable

log = logging.getLogger(__name__)

EXCERPT_BYTES = 2048
STORE_TRIES = 3
"""A message that the store refuses this often on its own is put aside."""
LETTERS_PER_MESSAGE = 3
"""The same bytes make this many dead letters; after that they are only counted."""
KNOWN_LIMIT = 1000
OFFER_WAIT_S = 5.0
"""How long a full queue may hold up a 3.1.1 connection, which has no receive-maximum; well below the keepalive."""


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    queue: int = 5000
    batch: int = 2000
    batch_s: float = 0.1
    device_rate: Rate = field(default_factory=lambda: Rate(per_s=5.0, burst=200))
    """An agent in the middle of an update sends about one message a second; a flood is none of ours."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was put aside, for a person to look at. `excerpt` is untrusted."""

    topic: str
    sha256: str
    excerpt: bytes
    error: str


@dataclass(frozen=True, slots=True)
class IntakeStats:
    """Counts since the start; `queued` is now."""

    queued: int = 0
    received: int = 0
    handled: int = 0
    batches: int = 0
    dead: int = 0
    limited: int = 0
    """Beyond a device's rate."""
    dropped: int = 0
    """Not taken because the queue stayed full; unacknowledged, so it comes again."""


OnDeadLetter = Callable[[DeadLetter], None]
Acknowledge = Callable[[Sequence[Telegram]], None]


class Intake:
    """`offer` from any thread; one worker hands batches in."""

    def __init__(
        self,
        handlers: GatewayHandlers,
        acknowledge: Acknowledge,
        limits: IntakeLimits,
        on_dead_letter: OnDeadLetter | None = None,
    ) -> None:
        self._handlers, self._acknowledge, self._limits = handlers, acknowledge, limits
        self._on_dead_letter = on_dead_letter or (lambda _: None)
        self._queue: deque[Telegram] = deque()
        self._changed = threading.Condition()
        self._buckets = TokenBuckets(limits.device_rate)
        self._known_dead: dict[str, int] = {}
        self._cut: dict[str, None] = {}
        self._stats, self._lock = IntakeStats(), threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="gateway-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish the batch at hand; what is still queued stays unacknowledged and comes again."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(timeout=30)

    def offer(self, *telegrams: Telegram) -> bool:
        """Queue messages; waits while the queue is full, and gives up those that found no room for OFFER_WAIT_S."""
        left = deque(telegrams)
        self._count(received=len(telegrams))
        while left:
            with self._changed:
                if not self._changed.wait_for(lambda: len(self._queue) < self._limits.queue, OFFER_WAIT_S):
                    self._cut.update(dict.fromkeys(_device(telegram) for telegram in left))
                    self._count(dropped=len(left))
                    return False
                while left and len(self._queue) < self._limits.queue:
                    self._queue.append(left.popleft())
                self._changed.notify_all()
        return True

    def room(self) -> bool:
        """Whether more would be queued at once: who reads from the network waits there as long as it is not."""
        return len(self._queue) < self._limits.queue

    def stats(self) -> IntakeStats:
        with self._lock:
            return replace(self._stats, queued=len(self._queue))

    def _work(self) -> None:
        while not self._stopping.is_set():
            batch = self._take()
            if batch and self._handle(batch):
                self._acknowledge(batch)
                self._count(handled=len(batch), batches=1)

    def _take(self) -> list[Telegram]:
        """Up to `batch` messages, or what came within `batch_s` after the first."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping.is_set(), 0.2)
            if not self._queue:
                return []
            enough = self._limits.batch
            self._changed.wait_for(lambda: len(self._queue) >= enough or self._stopping.is_set(), self._limits.batch_s)
            batch = [self._queue.popleft() for _ in range(min(enough, len(self._queue)))]
            self._changed.notify_all()
        return batch

    def _handle(self, batch: Sequence[Telegram]) -> bool:
        """Deal with every message for good; False where the intake was stopped before the store came back."""
        try:
            good = [(telegram, said) for telegram in batch if (said := self._read(telegram)) is not None]
            with self._changed:
                cut, self._cut = self._cut, {}
            if (good or cut) and not self._store([said for _, said in good], cut):
                self._store([], cut)
                for telegram, said in good:  # one of them is the culprit: the others must not suffer
                    self._store_alone(telegram, said)
        except Unreachable:
            return False
        return True

    def _read(self, telegram: Telegram) -> Inbound | None:
        device = _device(telegram)
        if not self._buckets.take(device, time.monotonic()):
            self._count(limited=1)
            with self._changed:
                self._cut[device] = None
            return None
        while True:
            try:
                return read(telegram, self._handlers.public_keys)
            except Invalid as error:
                self._put_aside(telegram, error.message)
                return None
            except Unreachable as error:
                self._wait_for_store(error)
            except Exception:
                log.exception("message_unreadable topic=%s", telegram.topic)  # a bug of ours must not stop the fleet
                self._put_aside(telegram, "The server failed on this message; the log has the reason.")
                return None

    def _wait_for_store(self, error: Unreachable) -> None:
        log.warning("store_unreachable error=%s", error.message)
        if self._stopping.wait(error.retry_after_s or 1.0):
            raise error

    def _store(self, messages: Sequence[Inbound], cut: Iterable[str] = ()) -> bool:
        """Hand in as one transaction; False where it was refused. Raises Unreachable when stopped while waiting."""
        while True:
            try:
                with self._handlers.batch() as ingest:
                    for device in cut:
                        ingest.cut(device)
                    hand_in(messages, ingest)
            except Unreachable as error:
                self._wait_for_store(error)
            except Exception:
                # Whatever the store raises, the other messages must go on; each is then tried alone and named.
                log.exception("batch_refused messages=%d", len(messages))
                return False
            else:
                return True

    def _store_alone(self, telegram: Telegram, said: Inbound) -> None:
        if not any(self._store([said]) for _ in range(STORE_TRIES)):
            self._put_aside(telegram, "The store refused the message; the log has the reason.")

    def _put_aside(self, telegram: Telegram, error: str) -> None:
        self._count(dead=1)
        digest = hashlib.sha256(telegram.payload).hexdigest()
        times = self._known_dead.pop(digest, 0) + 1
        self._known_dead[digest] = times
        if len(self._known_dead) > KNOWN_LIMIT:
            self._known_dead.pop(next(iter(self._known_dead)))
        if times > LETTERS_PER_MESSAGE:
            return
        log.warning("dead_letter topic=%s sha256=%s error=%s", telegram.topic, digest, error)
        self._on_dead_letter(DeadLetter(telegram.topic, digest, telegram.payload[:EXCERPT_BYTES], error))

    def _count(self, **more: int) -> None:
        with self._lock:
            self._stats = replace(self._stats, **{k: getattr(self._stats, k) + n for k, n in more.items()})


def _device(telegram: Telegram) -> str:
    return telegram.topic.split("/")[3] if telegram.topic.count("/") >= 3 else ""
