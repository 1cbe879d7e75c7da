"""Memory and CPU become figures of agent and guard; everything else that was measured is a peer."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_simulators.bench import idle, peers

MEMORY = {"bare python3": 8.5, "rauc service": 13.0, idle.AGENT: 38.0, idle.GUARD: 12.0}
CPU = {"bare python3": 0.0, "rauc service": 0.0, idle.AGENT: 0.3, idle.GUARD: 0.1}


def test_agent_and_guard_are_figures_and_the_others_their_peers() -> None:
    figures = idle.figures(MEMORY, CPU, [])

    assert [(f.value, f.unit) for f in figures] == [(38.0, "MiB"), (0.3, "%"), (12.0, "MiB"), (0.1, "%")]
    assert all([p.name for p in f.peers] == ["bare python3", "rauc service"] for f in figures)


def test_a_goal_that_is_missed_is_said() -> None:
    figures = idle.figures(MEMORY, CPU, [])

    assert [f.reached for f in figures] == [True, False, True, True]


def test_a_peer_that_is_absent_is_named_in_the_note() -> None:
    memory = {name: value for name, value in MEMORY.items() if "rauc" not in name}

    figures = idle.figures(memory, memory, ["rauc service is not installed (apt-get install rauc-service)"])

    assert "apt-get install rauc-service" in figures[0].note
    assert [p.name for p in figures[0].peers] == ["bare python3"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_real_idle_agent_is_measured_beside_bare_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "SETTLE_S", 3.0)
    monkeypatch.setattr(idle, "WATCH_S", 3.0)
    monkeypatch.setattr(peers, "DEBIAN", {})

    figures = idle.measure(tmp_path, lambda line: None)

    bare = next(p.value for p in figures[0].peers if p.name == "bare python3")
    assert bare < figures[0].value < 200
    assert figures[1].value < 100
