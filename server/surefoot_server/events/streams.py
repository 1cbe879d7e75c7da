"""Open event streams: readers of the feed that wait for news, each at its own place in it.

Promises: a reader gets every entry that it wants after the number it names, once and in order; a hole, where what it
missed is kept no more, is said and never skipped in silence; a quiet stream says every HEARTBEAT_S that it is alive;
whether its reader may still read is looked at as often, however much happens; `close` ends all streams at once.
Bounded: as many streams as the settings say, PAGE entries in memory for each.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from surefoot_server.events.feed import EVERYTHING, PAGE, Feed, Filter
from surefoot_server.events.models import FeedEvent
from surefoot_shared.errors import SurefootError, Unreachable

HEARTBEAT_S = 15.0
"""Below the minute after which proxies commonly close what is silent."""
ELSEWHERE_S = 1.0
"""Between two looks where another server on the same database may have news."""
RETRY_MS = 2000
"""How long a browser waits before it comes back."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What the reader missed is not kept any more: it must read the state anew; entries follow from `oldest`."""

    oldest: int
    newest: int


@dataclass(frozen=True, slots=True)
class Alive:
    """Nothing happened for a while."""


Item = FeedEvent | Gap | Alive


class Streams:
    """The readers of one server process."""

    def __init__(self, feed: Feed, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.feed, self._limit, self._clock = feed, limit, clock
        self._open: dict[int, tuple[asyncio.AbstractEventLoop, asyncio.Event]] = {}
        self._closing = False
        elsewhere = feed.database.engine.dialect.name == "postgresql"
        self._look_s = ELSEWHERE_S if elsewhere else HEARTBEAT_S
        feed.on_news(self._wake)

    def __len__(self) -> int:
        return len(self._open)

    def close(self) -> None:
        """End every stream; takes no lock, so a signal handler may call it."""
        self._closing = True
        self._wake()

    async def follow(
        self, after: int | None, wanted: Filter = EVERYTHING, allowed: Callable[[], object] = lambda: None
    ) -> AsyncGenerator[Item]:
        """Yield what comes after the number (None: from now on). Raises Unreachable(busy) where streams are too many.

        `allowed` raises once the reader may read no more; that ends the stream.
        """
        with self._place() as news:
            oldest, newest = await run_in_threadpool(self.feed.bounds)
            at = newest if after is None else after
            if at > newest or at < oldest - 1:
                yield Gap(oldest, newest)
                at = newest if at > newest else oldest - 1
            permit, quiet_s = _Permit(allowed, self._clock), 0.0
            while not self._closing:
                news.clear()
                rows = await run_in_threadpool(self.feed.after, at, wanted)
                for row in rows:
                    if permit.is_old and not await permit.renewed():
                        return
                    yield row
                    at, quiet_s = row.id or at, 0.0
                if len(rows) == PAGE or self._closing or await _heard(news, self._look_s):
                    continue
                quiet_s += self._look_s
                if quiet_s >= HEARTBEAT_S:
                    quiet_s = 0.0
                    if not await permit.renewed():
                        return
                    yield Alive()

    def check_room(self) -> None:
        """Raise Unreachable(busy) where no further stream may be opened."""
        if len(self._open) >= self._limit:
            hint = "Close streams that nobody reads, or raise event_streams in the server's settings."
            raise Unreachable("busy", f"{len(self._open)} event streams are open, and no more may be.", hint)

    @contextlib.contextmanager
    def _place(self) -> Iterator[asyncio.Event]:
        self.check_room()
        news = asyncio.Event()
        self._open[id(news)] = (asyncio.get_running_loop(), news)
        try:
            yield news
        finally:
            del self._open[id(news)]

    def _wake(self) -> None:
        for loop, news in tuple(self._open.values()):
            with contextlib.suppress(RuntimeError):  # its loop ended together with it
                loop.call_soon_threadsafe(news.set)


async def _heard(news: asyncio.Event, wait_s: float) -> bool:
    try:
        await asyncio.wait_for(news.wait(), wait_s)
    except asyncio.TimeoutError:
        return False
    return True


class _Permit:
    """What the reader was allowed, and when that was looked at: time passes for a stream that is never quiet, too."""

    def __init__(self, allowed: Callable[[], object], clock: Callable[[], float]) -> None:
        self._allowed, self._clock, self._looked_s = allowed, clock, clock()

    @property
    def is_old(self) -> bool:
        return self._clock() - self._looked_s >= HEARTBEAT_S

    async def renewed(self) -> bool:
        """Look anew; False where the reader may read no more."""
        self._looked_s = self._clock()
        try:
            answer = self._allowed()
            if isinstance(answer, Awaitable):  # a permission of a route looks the reader up anew
                await answer
        except SurefootError:
            return False
        return True


def as_text(item: Item) -> str:
    """The item in the form of server-sent events (WHATWG HTML, section 9.2)."""
    match item:
        case Alive():
            return ": alive\n\n"
        case Gap(oldest, newest):
            return f"event: gap\ndata: {json.dumps({'oldest': oldest, 'newest': newest})}\n\n"
        case FeedEvent():
            return f"id: {item.id}\nevent: {item.kind}\ndata: {json.dumps(document(item))}\n\n"


def document(row: FeedEvent) -> dict[str, object]:
    """The entry as everybody gets it: streams, lists and webhooks."""
    return {
        "id": row.id,
        "at": row.at.isoformat(),
        "kind": row.kind,
        "subject": row.subject,
        "rollout": row.rollout_id,
        "device": row.device_id,
        "actor": row.actor,
        "detail": row.detail,
    }
