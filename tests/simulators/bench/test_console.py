"""The console is weighed and timed in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_server.console.navigation import entries
from surefoot_simulators.bench import console


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.needs("mosquitto", "/usr/bin/chromium")
def test_pages_are_weighed_events_are_timed_and_the_server_stops_with_streams_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "DEVICES", 4)
    monkeypatch.setattr(console, "ACTS", 4)
    monkeypatch.setattr(console, "STREAMS", 3)
    said: list[str] = []

    weight, event, stop = console.measure(tmp_path, said.append)

    assert 10 < weight.value <= console.GOAL_KB
    assert all(f"{entry.path} " in weight.note for entry in entries())
    assert 0 < event.value < 5000
    assert 0 < stop.value < 30
