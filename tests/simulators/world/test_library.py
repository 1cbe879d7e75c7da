"""Every scenario that ships is played, and all that it expects is so."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from surefoot_simulators.world.faults import Kind
from surefoot_simulators.world.recording import Recording
from surefoot_simulators.world.run import run
from surefoot_simulators.world.scenario import read
from surefoot_simulators.world.world import World

ROOT = Path(__file__).parents[3]
LIBRARY = sorted((ROOT / "simulators" / "scenarios").glob("*.toml"))
PAGE = ROOT / "docs" / "simulator.md"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_what_a_scenario_expects_is_so(path: Path) -> None:
    recording, _ = in_memory(path)

    assert [f"{met.text} (line {met.line}): {met.found}" for met in recording.expectations if not met.held] == []


@functools.cache
def in_memory(path: Path) -> tuple[Recording, bytes]:
    return played(path, wire=False)


def played(path: Path, wire: bool) -> tuple[Recording, bytes]:
    """What was recorded, and a digest of each message that arrived."""
    worlds: list[World] = []
    recording = run(read(path), watch=lambda world: worlds.append(world) if not worlds else None, wire=wire)
    return recording, worlds[0].broker.passed


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.needs("mosquitto")
@pytest.mark.parametrize("name", ["broker_restarts", "messy_messages", "operator_halts", "silent_death"])
def test_a_real_broker_over_real_sockets_gives_the_same_recording_message_for_message(name: str) -> None:
    path = ROOT / "simulators" / "scenarios" / f"{name}.toml"

    recording, passed = played(path, wire=True)

    assert [met.text for met in recording.expectations if not met.held] == []
    assert (recording.digest, passed) == (in_memory(path)[0].digest, in_memory(path)[1])


def test_the_library_strikes_with_every_kind_of_fault() -> None:
    struck = {fault.kind for path in LIBRARY for fault in read(path).faults}

    assert len(LIBRARY) >= 20
    assert struck == set(Kind)


def test_every_scenario_would_notice_a_brick_and_a_false_success() -> None:
    for path in LIBRARY:
        asked = {expectation.kind.value for expectation in read(path).expectations}
        assert "bricked" in asked or path.stem in ONE_SLOT, path.stem
        assert asked & {"only_ran", "false_success"}, path.stem


@pytest.mark.parametrize(("block", "rows"), [("promises", 7), ("faults", 17)])
def test_every_promise_and_every_fault_has_scenarios_that_ship(block: str, rows: int) -> None:
    table = PAGE.read_text().partition(f"<!-- begin {block} -->")[2].partition(f"<!-- end {block} -->")[0]
    lines = [line for line in table.strip().splitlines()[2:] if "make demo" not in line]
    named = [set(re.findall(r"`(\w+)`", line)) for line in lines]

    assert len(lines) == rows - (block == "promises")
    assert all(named)
    assert set().union(*named) <= {path.stem for path in LIBRARY}


ONE_SLOT = frozenset({"no_room_for_two"})
"""Devices that give up the old release first: what they may come to is that scenario's own subject."""
