"""A recording is the whole of a run: it comes back from JSON as it was, and two equal ones have one digest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot_shared.errors import Invalid
from surefoot_shared.status import AttemptState, Outcome, PhaseState, RolloutState, SlotName
from surefoot_simulators.world.recording import (
    Ending,
    Met,
    PhasePoint,
    PhaseTally,
    Point,
    RecordedDevice,
    Recording,
    RolloutPoint,
    Teller,
    Told,
    from_json,
    to_json,
)

RECORDING = Recording(
    scenario="bad_release",
    title="A bad release",
    promise="A bad release stops by itself.",
    seed=7,
    seconds=120.0,
    started_at="2030-01-01T00:00:00Z",
    component="app",
    devices=(RecordedDevice("cam-1", "rpi5", "hanoi", "1.0", ("lab",), {"site": "hanoi"}),),
    points=(Point(3.5, "cam-1", AttemptState.PROBATION, "1.1", SlotName.B, True),),
    rollouts=(RolloutPoint(0.0, "r1", "app/1.1", RolloutState.RUNNING),),
    phases=(PhasePoint(0.0, "r1", 0, "canary", PhaseState.OFFERING),),
    tallies=(PhaseTally("r1", 0, "canary", PhaseState.FAILED, 1, {"reverted": 1}),),
    endings=(Ending(9.0, "cam-1", "r1", "app/1.1", Outcome.REVERTED, "health_failed", 0),),
    story=(Told(1.0, Teller.FAULT, "The power is cut.", "cam-1"),),
    expectations=(Met("nobody is bricked", True, "0 devices", 12),),
)


def test_a_recording_comes_back_from_json_as_it_was() -> None:
    assert from_json(to_json(RECORDING)) == RECORDING


def test_equal_runs_have_one_digest_and_any_difference_another() -> None:
    later = replace(RECORDING, points=(replace(RECORDING.points[0], t=3.6),))

    assert replace(RECORDING).digest == RECORDING.digest
    assert later.digest != RECORDING.digest


def test_one_expectation_that_did_not_hold_fails_the_run() -> None:
    missed = replace(RECORDING.expectations[0], held=False)

    assert RECORDING.passed
    assert not replace(RECORDING, expectations=(*RECORDING.expectations, missed)).passed


def test_a_recording_of_another_version_is_refused() -> None:
    with pytest.raises(Invalid):
        from_json(to_json(RECORDING).replace(b'"v":1}', b'"v":2}'))


def test_a_recording_with_nothing_unplayed_has_the_bytes_of_those_before() -> None:
    assert b"unplayed" not in to_json(RECORDING)
    assert from_json(to_json(replace(RECORDING, unplayed=("a",)))).unplayed == ("a",)
