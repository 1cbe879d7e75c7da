"""Where work happens while the loop goes on: each lane does one thing after the other, lanes run side by side.

Promises: the result, or the exception, of each work is handed to `done` exactly once. Work that changes the device
shares a lane with all that must not overlap it: what starts, stops or switches the application runs in APP, what writes
slots in FILES, what writes trust metadata in TRUST. LOOK only reads and has several workers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum
from typing import Protocol

LOOKERS = 4
"""Checks wait for sockets, not for the processor; four overlap well on the smallest board."""


class Lane(str, Enum):
    APP = "app"
    FILES = "files"
    TRUST = "trust"
    LOOK = "look"


Work = Callable[[], object]
Done = Callable[[object, BaseException | None], None]


class Lanes(Protocol):
    def submit(self, lane: Lane, work: Work, done: Done) -> None: ...
    def of(self, component: str) -> Lanes:
        """Lanes of one component: what changes it waits for no other; TRUST and LOOK are the device's."""

    def stop(self) -> None: ...


class ThreadLanes:
    """Lanes of the real agent; `done` is called on the worker's thread."""

    def __init__(self, pools: Mapping[Lane, ThreadPoolExecutor] | None = None) -> None:
        self._pools = {**{lane: _pool(lane, "") for lane in Lane if lane not in (pools or {})}, **(pools or {})}
        self._own: dict[str, ThreadLanes] = {}

    def of(self, component: str) -> ThreadLanes:
        if component not in self._own:
            shared = {lane: self._pools[lane] for lane in (Lane.TRUST, Lane.LOOK)}
            own = {lane: _pool(lane, component) for lane in (Lane.APP, Lane.FILES)}
            self._own[component] = ThreadLanes({**shared, **own})
        return self._own[component]

    def submit(self, lane: Lane, work: Work, done: Done) -> None:
        def finished(future: Future[object]) -> None:
            if not future.cancelled():
                error = future.exception()
                done(None if error else future.result(), error)

        self._pools[lane].submit(work).add_done_callback(finished)

    def stop(self) -> None:
        """Start nothing more; what runs is finished by its own limits."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        for lanes in self._own.values():
            lanes.stop()


def _pool(lane: Lane, component: str) -> ThreadPoolExecutor:
    name = f"{lane.value}-{component}" if component else lane.value
    return ThreadPoolExecutor(LOOKERS if lane is Lane.LOOK else 1, thread_name_prefix=name)


class InlineLanes:
    """Lanes of a test or a simulator: work is done on the spot, in the order of the orders."""

    def submit(self, lane: Lane, work: Work, done: Done) -> None:
        try:
            result = work()
        except Exception as error:
            done(None, error)
        else:
            done(result, None)

    def of(self, component: str) -> InlineLanes:
        return self

    def stop(self) -> None:
        pass
