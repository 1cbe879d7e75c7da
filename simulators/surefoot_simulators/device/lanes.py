"""Lanes of a simulated agent: work that takes time sleeps in the world's time, everything else is done on the spot.

Promises: only one thing runs at a time, in the order of the world's queue, so that a run repeats itself; work that
sleeps ends with the machine. What copies files has a thread of its own to sleep on, because the agent's download is
one call that returns when all is there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from surefoot_agent.lanes import Done, InlineLanes, Lane, Work
from surefoot_simulators.device.board import Ended

Later = Callable[[float, Callable[[], None]], None]
"""(seconds, what is to be done then)."""


class _Gone(BaseException):
    """The machine went down while the work slept."""


class SleepingLanes(InlineLanes):
    """`later` is the world's queue, `stir` is called after work came back, `ended` where it ended the machine."""

    def __init__(self, later: Later, stir: Callable[[], None], ended: Callable[[Ended], None]) -> None:
        self._later, self._stir, self._ended = later, stir, ended
        self._asleep: dict[_Sleeper, None] = {}
        """In the order in which they fell asleep."""
        self._now: _Sleeper | None = None

    def submit(self, lane: Lane, work: Work, done: Done) -> None:
        if lane is not Lane.FILES:
            super().submit(lane, work, done)
            return
        self._go_on(_Sleeper(work, done))

    def nap(self, seconds: float) -> None:
        """Sleep; only for work in FILES."""
        assert self._now is not None, "only what copies files may sleep"
        self._now.nap(seconds)

    def end(self) -> None:
        """The machine goes down, and everything that sleeps with it."""
        for sleeper in self._asleep:
            sleeper.end()
        self._asleep.clear()

    def _wake(self, sleeper: _Sleeper) -> None:
        if sleeper in self._asleep:
            del self._asleep[sleeper]
            try:
                self._go_on(sleeper)
            except Ended as ended:
                self._ended(ended)
            else:
                self._stir()

    def _go_on(self, sleeper: _Sleeper) -> None:
        before, self._now = self._now, sleeper
        try:
            nap_s = sleeper.go_on()
        finally:
            self._now = before
        if nap_s is not None:
            self._asleep[sleeper] = None
            self._later(nap_s, lambda: self._wake(sleeper))


class _Sleeper:
    """Work on a thread that runs only while the world waits for it."""

    def __init__(self, work: Work, done: Done) -> None:
        self._work, self._done = work, done
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._nap_s: float | None = None
        self._result: object = None
        self._error: BaseException | None = None
        self._gone = False
        self._thread = threading.Thread(target=self._run, name="simulated-files", daemon=True)

    def go_on(self) -> float | None:
        """Run until it sleeps, for so many seconds, or is done; raises what ends the machine."""
        if not self._thread.is_alive():
            self._thread.start()
        self._nap_s = None
        self._go.release()
        self._back.acquire()
        if self._nap_s is not None:
            return self._nap_s
        self._thread.join()
        if self._error is not None and not isinstance(self._error, Exception):
            raise self._error
        self._done(self._result, self._error)
        return None

    def nap(self, seconds: float) -> None:
        self._nap_s = seconds
        self._back.release()
        self._go.acquire()
        if self._gone:
            raise _Gone

    def end(self) -> None:
        self._gone = True
        self._go.release()
        self._back.acquire()
        self._thread.join()

    def _run(self) -> None:
        self._go.acquire()
        try:
            self._result = self._work()
        except BaseException as error:  # handed to the thread that waits, which raises it
            self._error = error
        self._back.release()
