"""Scenarios played in processes of their own give what one process gives, in the order of the files."""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from surefoot_shared.errors import Invalid
from surefoot_simulators.world import scratch, side_by_side, wire_exchange
from surefoot_simulators.world.glance import Glance
from surefoot_simulators.world.run import run
from surefoot_simulators.world.scenario import read
from tests.simulators.world.conftest import SMALL

ENDLESS = "settles = false\n" + SMALL.replace('duration = "2h"', 'duration = "9999d"')
HOME = re.compile(rf".*/{scratch.PREFIX}[^/]+")
PLAY = """
import signal
import sys
from pathlib import Path
from surefoot_simulators.cli.run import like_ctrl_c
from surefoot_simulators.world.side_by_side import play

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs the tests behind it lets it be ignored
with like_ctrl_c():
    files, wire = [Path(name) for name in sys.argv[2:]], sys.argv[1] == "wire"
    list(play(files, None, 2, wire=wire, tell=lambda name, _: print(name, flush=True)))
"""


@pytest.mark.slow
def test_each_is_the_recording_of_one_process_in_the_order_of_the_files(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.toml" for name in ("second", "first")]
    for file in files:
        file.write_text(SMALL)

    told: list[tuple[str, Glance | None]] = []
    recordings = list(side_by_side.play(files, 7, 2, tell=lambda name, glance: told.append((name, glance))))

    assert [recording.scenario for recording in recordings] == ["second", "first"]
    assert [recording.digest for recording in recordings] == [run(read(file), 7).digest for file in files]
    assert {name for name, glance in told if glance is None} == {"second", "first"}
    assert {name for name, glance in told if glance is not None} == {"second", "first"}


@pytest.mark.slow
def test_what_is_wrong_with_a_file_is_said_as_in_one_process(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('title = "x"\n')

    with pytest.raises(Invalid, match="it is no scenario"):
        list(side_by_side.play([tmp_path / "bad.toml"], None, 1))


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What a worker does at its end, in this process, which goes on."""
    done: list[object] = []
    monkeypatch.setattr(os, "_exit", done.append)
    monkeypatch.setattr(scratch, "leave", lambda: done.append("folders"))
    monkeypatch.setattr(wire_exchange, "close_all", lambda: done.append("brokers"))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield done
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_that_is_interrupted_goes_without_a_word_and_leaves_no_folder(
    ends: list[object], number: signal.Signals
) -> None:
    side_by_side._begin(logging.WARNING)
    signal.raise_signal(number)

    assert ends == ["folders", 130]


def test_a_worker_whose_parent_is_gone_ends_once_though_it_was_interrupted_as_well(ends: list[object]) -> None:
    there, here = multiprocessing.Pipe(duplex=False)

    side_by_side._begin(logging.WARNING, parent=there)
    here.close()
    for thread in threading.enumerate():
        if thread.name == side_by_side.WATCH:
            thread.join()
    signal.raise_signal(signal.SIGINT)

    assert ends == ["folders", 130]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_however_the_process_ends_nobody_lives_on_and_nothing_stays(tmp_path: Path, number: signal.Signals) -> None:
    assert ended_by(number, "memory", tmp_path) == []


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_nor_does_a_broker_that_was_played_on(tmp_path: Path) -> None:
    assert ended_by(signal.SIGINT, "wire", tmp_path) == []


def ended_by(number: signal.Signals, exchange: str, folder: Path) -> list[str]:
    """What is left of a world after the process that had it played was sent this."""
    (folder / "endless.toml").write_text(ENDLESS)
    words = [sys.executable, "-c", PLAY, exchange, str(folder / "endless.toml")]
    parent = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "endless\n"
    children = psutil.Process(parent.pid).children(recursive=True)
    folders = {home.group() for child in children for link in links(child.pid) if (home := HOME.match(link))}

    parent.send_signal(number)
    parent.communicate(timeout=30)  # until nobody holds its output any more

    assert len(folders) == 1
    _, alive = psutil.wait_procs(children, timeout=5)
    return [*map(str, alive), *filter(os.path.exists, folders)]


def links(pid: int) -> list[str]:
    """What a process has open."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            found.append(str(descriptor.readlink()))
    return found


def test_a_worker_that_is_interrupted_leaves_no_broker_behind(ends: list[object]) -> None:
    side_by_side._begin(logging.WARNING, wire=True)
    signal.raise_signal(signal.SIGINT)

    assert ends == ["brokers", "folders", 130]
