"""Scenarios played in processes of their own give what one process gives, in the order of the files."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

import pytest

from surefoot_shared.errors import Invalid
from surefoot_simulators.world import side_by_side, wire_exchange
from surefoot_simulators.world.glance import Glance
from surefoot_simulators.world.run import run
from surefoot_simulators.world.scenario import read
from tests.simulators.world.conftest import SMALL


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


def test_a_worker_that_is_interrupted_goes_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []
    monkeypatch.setattr(os, "_exit", ends.append)
    before = signal.getsignal(signal.SIGINT)

    side_by_side._begin(logging.WARNING)
    signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)

    assert ends == [130]


def test_a_worker_that_is_interrupted_leaves_no_broker_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[object] = []
    monkeypatch.setattr(os, "_exit", ends.append)
    monkeypatch.setattr(wire_exchange, "close_all", lambda: ends.append("brokers"))
    before = signal.getsignal(signal.SIGINT)

    side_by_side._begin(logging.WARNING, wire=True)
    signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)

    assert ends == ["brokers", 130]
