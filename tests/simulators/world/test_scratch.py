"""Files of a world lie in memory where they fit, and a process that was killed leaves nothing for good."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from surefoot_simulators.world import scratch
from surefoot_simulators.world.scratch import PREFIX, room_for, scratch_folder, sweep


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A memory disk and a usual one."""
    memory, usual = tmp_path / "memory", tmp_path / "usual"
    memory.mkdir()
    usual.mkdir()
    monkeypatch.setattr(scratch, "MEMORY_DISK", memory)
    monkeypatch.setattr(tempfile, "tempdir", str(usual))
    return memory, usual


def test_what_fits_lies_in_memory_and_what_does_not_on_the_disk(places: tuple[Path, Path]) -> None:
    memory, usual = places

    assert scratch_folder().is_relative_to(memory)
    assert scratch_folder() != scratch_folder()
    assert scratch_folder(1 << 60).is_relative_to(usual)
    assert room_for(100) > 100_000_000


def test_folders_of_dead_processes_are_swept_and_those_of_live_and_new_ones_are_not(tmp_path: Path) -> None:
    dead, live, newborn, other = (tmp_path / name for name in (f"{PREFIX}a", f"{PREFIX}b", f"{PREFIX}c", "mine"))
    for folder in (dead, live, newborn, other):
        (folder / "devices").mkdir(parents=True)
    for folder in (dead, live, other):
        os.utime(folder, (1, 1))
    held = os.open(live, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)

    sweep(tmp_path)
    os.close(held)

    assert sorted(tmp_path.iterdir()) == [other, live, newborn]


def test_a_broker_that_a_dead_process_left_behind_is_ended(tmp_path: Path) -> None:
    broker = tmp_path / f"{PREFIX}a" / "world" / "broker"
    broker.mkdir(parents=True)
    words = [sys.executable, "-c", "input(print(flush=True))", str(broker / "mosquitto.conf")]
    left = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert left.stdout is not None  # a pipe was asked for
    left.stdout.readline()  # it runs: until then the kernel may not show its words
    (broker / "mosquitto.pid").write_text(str(left.pid))
    os.utime(tmp_path / f"{PREFIX}a", (1, 1))

    sweep(tmp_path)

    assert left.wait(10) == -signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
