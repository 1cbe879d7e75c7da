"""Play several scenarios at a time, each in a process of its own.

Promises: recordings come in the order of the files and are those that one process makes, since a run
knows nothing of another; what ends a run there is raised here. How far each is, is told as it goes on. However this
process ends, the others end with it and leave nothing behind.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from surefoot_shared.errors import SurefootError
from surefoot_simulators.world import scratch
from surefoot_simulators.world.glance import Glance, watcher
from surefoot_simulators.world.recording import Recording
from surefoot_simulators.world.run import run
from surefoot_simulators.world.scenario import read

INTERRUPTED = 130
WATCH = "parent"
LOOK_S = 0.2
"""How often what the processes tell is read."""
Tell = Callable[[str, "Glance | None"], None]
"""(scenario, how far it is); None: its play is over."""
Line = SimpleQueue[tuple[str, "Glance | None"]]


def play(
    files: Sequence[Path], seed: int | None, jobs: int, *, wire: bool = False, tell: Tell | None = None
) -> Iterator[Recording]:
    """`seed` instead of each scenario's own; at most `jobs` processes. `wire` as for `run`: a broker each."""
    fresh = multiprocessing.get_context("spawn")  # threads of this process do not come along
    level = logging.getLogger().level
    line: Line | None = fresh.SimpleQueue() if tell else None
    there, here = fresh.Pipe(duplex=False)  # nothing is said on it: this process alone holds `here`, alive or not
    with there, here, ProcessPoolExecutor(min(jobs, len(files)), fresh, _begin, (level, wire, line, there)) as pool:
        try:
            for told in [pool.submit(_play, file, seed, wire) for file in files]:
                if line is not None and tell is not None:
                    _listen(told, line, tell)
                recording = told.result()
                if isinstance(recording, _Ended):
                    raise recording.kind(*recording.said)
                yield recording
        except BaseException:  # also one that whoever asked for recordings met: nobody waits for the rest
            here.close()
            raise


def _listen(until: Future[Recording | _Ended], line: Line, tell: Tell) -> None:
    """Pass on what all of them tell until this one is over."""
    while True:
        over = wait([until], LOOK_S).done
        while not line.empty():
            tell(*line.get())
        if over:
            return


_LINE: list[Line] = []
"""That of this process, where somebody looks on."""


def _begin(level: int, wire: bool = False, line: Line | None = None, parent: Connection | None = None) -> None:
    logging.basicConfig(level=level)
    _LINE[:] = [line] if line is not None else []
    ends: list[Callable[[], None]] = []
    if wire:
        from surefoot_simulators.world.wire_exchange import close_all

        ends.append(close_all)
    ends.append(scratch.leave)
    ending: list[int] = []

    def interrupted(number: int, _: object) -> None:
        ending.append(number)
        if len(ending) > 1:
            return  # Ctrl-C reaches this process, and the end of its parent by it does too
        for end in ends:
            end()
        os._exit(INTERRUPTED)  # who began it says so, once

    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    if parent is not None:
        threading.Thread(target=_outlive, args=(parent,), name=WATCH, daemon=True).start()


def _outlive(parent: Connection) -> None:
    """Wait for the end of the process that began this one, which may be killed without a word; end as by Ctrl-C."""
    with suppress(EOFError, OSError):
        parent.recv_bytes()
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _play(file: Path, seed: int | None, wire: bool) -> Recording | _Ended:
    watch = watcher(lambda glance: _say(file.stem, glance)) if _LINE else None
    try:
        return run(read(file), seed, watch, wire=wire)
    except SurefootError as error:
        return _Ended(type(error), (error.kind, error.message, error.hint))
    finally:
        _say(file.stem, None)


def _say(scenario: str, glance: Glance | None) -> None:
    for line in _LINE:
        line.put((scenario, glance))


@dataclass(frozen=True)
class _Ended:
    """An error in words: pickle would call its class with the sentence alone."""

    kind: type[SurefootError]
    said: tuple[str, str, str]
