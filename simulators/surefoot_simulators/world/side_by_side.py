"""Play several scenarios at a time, each in a process of its own.

Promises: recordings come in the order of the files and are those that one process makes, since a run
knows nothing of another; what ends a run there is raised here.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from surefoot_shared.errors import SurefootError
from surefoot_simulators.world.recording import Recording
from surefoot_simulators.world.run import run
from surefoot_simulators.world.scenario import read

INTERRUPTED = 130


def play(files: Sequence[Path], seed: int | None, jobs: int, *, wire: bool = False) -> Iterator[Recording]:
    """`seed` instead of each scenario's own; at most `jobs` processes. `wire` as for `run`: a broker each."""
    fresh = multiprocessing.get_context("spawn")  # threads of this process do not come along
    level = logging.getLogger().level
    with ProcessPoolExecutor(min(jobs, len(files)), fresh, _begin, (level, wire)) as pool:
        for told in [pool.submit(_play, file, seed, wire) for file in files]:
            recording = told.result()
            if isinstance(recording, _Ended):
                raise recording.kind(*recording.said)
            yield recording


def _begin(level: int, wire: bool = False) -> None:
    logging.basicConfig(level=level)
    ends: list[Callable[[], None]] = []
    if wire:
        from surefoot_simulators.world.wire_exchange import close_all

        ends.append(close_all)

    def interrupted(*_: object) -> None:
        for end in ends:
            end()
        os._exit(INTERRUPTED)  # who began it says so, once

    signal.signal(signal.SIGINT, interrupted)


def _play(file: Path, seed: int | None, wire: bool) -> Recording | _Ended:
    try:
        return run(read(file), seed, wire=wire)
    except SurefootError as error:
        return _Ended(type(error), (error.kind, error.message, error.hint))


@dataclass(frozen=True)
class _Ended:
    """An error in words: pickle would call its class with the sentence alone."""

    kind: type[SurefootError]
    said: tuple[str, str, str]
