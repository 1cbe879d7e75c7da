"""Drills at a terminal: the exit code says whether the way back holds."""

from __future__ import annotations

import pytest

from surefoot_server.db import utc_now
from surefoot_shared.status import Outcome
from tests.server.cli.conftest import Operator
from tests.server.rig import NOW
from tests.server.rollouts.fleet import Fleet

LAB = "hw == 'rpi5'"


@pytest.fixture
def lab(fleet: Fleet) -> Fleet:
    """Four devices that came from app/1.0 to app/1.1, at the time that routes use."""
    fleet.at = (utc_now() - NOW).total_seconds()
    fleet.hellos("app/1.0", *fleet.names)
    fleet.start(cohort=LAB, policy="phases: [{percent: 100, bake: 1s}]\n")
    fleet.commit(*fleet.wished())
    fleet.tick(2)
    fleet.tick(2)
    return fleet


def test_a_drill_is_run_and_shown_device_by_device(surefoot: Operator, lab: Fleet) -> None:
    begun = surefoot("drill", "run", "--cohort", LAB, "--yes")
    devices = sorted(lab.wished("app/1.0"))
    lab.end(Outcome.REVERTED, *devices)
    lab.rig.state.drills.sweep(lab.now)

    shown = surefoot("drill", "show", "d1")

    assert begun.out == "Drill d1 is running.\n"
    assert shown.code == 6
    assert "4 of 4 devices failed" in shown.out
    assert "reverting ended reverted: frozen frames" in shown.out
    assert "failed" in surefoot("drill", "list").out


def test_without_devices_it_exits_with_conflict_and_asks_nobody_where_nobody_sits(
    surefoot: Operator, fleet: Fleet
) -> None:
    assert surefoot("drill", "run", "--cohort", "all", "--yes").code == 5
    assert surefoot("drill", "run", "--cohort", "all").code == 2


def test_a_schedule_is_made_and_stopped(surefoot: Operator, fleet: Fleet) -> None:
    made = surefoot("drill", "schedule", "--every", "7d")

    assert made.out.startswith("Schedule 1: the first drill is at ")
    assert "7d" in surefoot("drill", "list").out
    assert surefoot("drill", "schedule", "--stop", "1").out == "Schedule 1 is stopped.\n"
    assert surefoot("drill", "schedule").code == 2
