"""What a fleet on the wire took becomes figures beside the bare clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_shared import wire as messages
from surefoot_shared.errors import Unreachable
from surefoot_simulators.bench import wire
from surefoot_simulators.bench.wire import Took

GOOD = Took(30.0, 50.0, 300.0, 10_000, 8_000, 10.0, 200.0, 20.0, 150.0)


def test_each_goal_is_judged_and_stands_beside_its_peer() -> None:
    figures = wire.figures(10_000, GOOD)

    assert [(f.value, f.reached) for f in figures] == [(30.0, True), (300.0, True), (1.0, True), (800.0, True)]
    assert figures[0].peers[0].value == 20.0
    assert figures[1].peers[0].value == 150.0


def test_a_slow_or_large_or_deaf_fleet_misses_its_goals() -> None:
    bad = Took(90.0, 99.0, 2000.0, 9_000, 100, 10.0, 200.0, 20.0, 150.0)

    assert not any(f.reached for f in wire.figures(10_000, bad))


def child(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Play this instead of a fleet."""
    (tmp_path / "played.py").write_text(f"import sys\nTOOK = {messages.encode(GOOD).decode()!r}\n{text}")
    monkeypatch.setattr(wire, "CHILD", "played")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_how_far_it_is_is_said_while_it_runs_and_other_talk_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    child(tmp_path, "sys.stderr.write('stage: connects\\nold library\\n')\nprint(TOOK)", monkeypatch)

    figures = wire.measure(tmp_path, said.append)

    assert said == ["10000 devices, then as many bare clients", "connects"]
    assert figures[0].value == GOOD.connect_s


def test_a_fleet_that_ends_badly_is_said_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child(tmp_path, "sys.exit('no broker')", monkeypatch)

    with pytest.raises(Unreachable, match="ended with 1: no broker"):
        wire.measure(tmp_path, lambda _said: None)
