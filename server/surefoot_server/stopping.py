"""How a running server is asked to end: by a signal from everybody, by `Stop.set` from a test."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from surefoot_server.listeners import Listeners


class Stop:
    """Asks a running server to end: by `stop.set()` from a test, by signal from everybody else."""

    def __init__(self) -> None:
        self._listeners: Listeners | None = None
        self._asked = threading.Event()
        self.signal: int | None = None

    def set(self) -> None:
        self._asked.set()
        if self._listeners is not None:
            self._listeners.stop()

    def ends(self, listeners: Listeners) -> None:
        self._listeners = listeners
        if self._asked.is_set():
            listeners.stop()

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        self.set()


@contextlib.contextmanager
def signals(stop: Stop) -> Iterator[None]:
    old = {number: signal.signal(number, stop.on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
