"""Every scenario that ships is played, and all that it expects is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from surefoot_simulators.world.faults import Kind
from surefoot_simulators.world.run import run
from surefoot_simulators.world.scenario import read

ROOT = Path(__file__).parents[3]
LIBRARY = sorted((ROOT / "simulators" / "scenarios").glob("*.toml"))
PAGE = ROOT / "docs" / "simulator.md"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_what_a_scenario_expects_is_so(path: Path) -> None:
    recording = run(read(path))

    assert [f"{met.text} (line {met.line}): {met.found}" for met in recording.expectations if not met.held] == []


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
