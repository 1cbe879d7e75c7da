"""Play several scenarios at a time, each in a process of its own.

Promises: recordings come in the order of the files and are those that one process makes, since a run
knows nothing of another; what ends a run there is raised here.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from surefoot_shared.errors import SurefootError
from surefoot_simulators.world.recording import Recording
from surefoot_simulators.world.run import run
from surefoot_simulators.world.scenario import read

INTERRUPTED = 130


def play(files: Sequence[Path], seed: int | None, jobs: int) -> Iterator[Recording]:
    """`seed` instead of each scenario's own; at most `jobs` processes."""
    fresh = multiprocessing.get_context("spawn")  # threads of this process do not come along
    level = logging.getLogger().level
    with ProcessPoolExecutor(min(jobs, len(files)), fresh, _begin, (level,)) as pool:
        for told in [pool.submit(_play, file, seed) for file in files]:
            recording = told.result()
            if isinstance(recording, _Ended):
                raise recording.kind(*recording.said)
            yield recording


def _begin(level: int) -> None:
    logging.basicConfig(level=level)
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))  # who began it says so, once


def _play(file: Path, seed: int | None) -> Recording | _Ended:
    try:
        return run(read(file), seed)
    except SurefootError as error:
        return _Ended(type(error), (error.kind, error.message, error.hint))


@dataclass(frozen=True)
class _Ended:
    """An error in words: pickle would call its class with the sentence alone."""

    kind: type[SurefootError]
    said: tuple[str, str, str]
