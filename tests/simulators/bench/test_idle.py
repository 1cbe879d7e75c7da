"""Memory and CPU become figures of agent and guard; everything else that was measured is a peer."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_simulators.bench import idle, peers

HALVES, NO_CPU = {idle.NETWORKED: 37.0, idle.HELPER: 30.0}, {idle.NETWORKED: 0.1, idle.HELPER: 0.0}
MEMORY = {"bare python3": 8.5, "rauc service": 13.0, idle.AGENT: 38.0, idle.GUARD: 12.0, **HALVES}
CPU = {"bare python3": 0.0, "rauc service": 0.0, idle.AGENT: 0.3, idle.GUARD: 0.1, **NO_CPU}


def test_agent_and_guard_are_figures_and_the_others_their_peers() -> None:
    figures = idle.figures(MEMORY, CPU, [])[:4]

    assert [(f.value, f.unit) for f in figures] == [(38.0, "MiB"), (0.3, "%"), (12.0, "MiB"), (0.1, "%")]
    assert all([p.name for p in f.peers] == ["bare python3", "rauc service"] for f in figures)


def test_a_goal_that_is_missed_is_said() -> None:
    figures = idle.figures(MEMORY, CPU, [])

    assert [f.reached for f in figures] == [True, False, True, True, True, True]


def test_of_two_halves_both_are_counted_and_the_whole_one_is_the_peer() -> None:
    *_, memory, cpu = idle.figures(MEMORY, CPU, [])

    assert (memory.value, memory.unit, cpu.value) == (67.0, "MiB", 0.1)
    assert [(peer.name, peer.value) for peer in memory.peers] == [("the same agent in one piece", 38.0)]
    assert "networked half 37.00 MiB and helper 30.00 MiB" in memory.note


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
    assert figures[0].value < figures[4].value < 400
