"""A small fleet is really connected, beats, takes a rollout, and stands beside as many bare clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_simulators.bench import wire_child


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.needs("mosquitto")
def test_a_small_fleet_is_measured_from_connection_to_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_child, "MINUTE_S", 3.0)

    took = wire_child.played(tmp_path, 12)

    assert took.heartbeats >= 12
    assert took.events == 12 * 8, "seven steps and an outcome each"
    assert min(took.connect_s, took.hello_s, took.events_s, took.memory_mib, took.server_mib) > 0
    assert min(took.bare_connect_s, took.bare_memory_mib) > 0
