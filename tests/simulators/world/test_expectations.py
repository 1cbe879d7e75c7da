"""Each expectation can fail, says what it found, and is not met by what never happened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from surefoot_shared.status import AttemptState, Outcome, PhaseState, RolloutState, SlotName
from surefoot_simulators.world.asked import SUBJECTS, Expectation, Kind
from surefoot_simulators.world.expectations import JUDGES, Seen, judge
from surefoot_simulators.world.recording import (
    Answer,
    Ending,
    Met,
    PhasePoint,
    PhaseTally,
    Point,
    RecordedDevice,
    RolloutPoint,
    Teller,
    Told,
)

S = AttemptState


def point(t: float, device: str, version: str | None, state: AttemptState = S.IDLE) -> Point:
    return Point(t, device, state, version, SlotName.A, True)


SEEN = Seen(
    devices=(RecordedDevice("a", "rpi5", "hue", "1.0"), RecordedDevice("b", "rpi5", "hue", "1.0")),
    points=(
        point(0, "a", "1.0"),
        point(0, "b", "1.0"),
        point(10, "a", "1.1", S.PROBATION),
        point(12, "b", "1.1", S.PROBATION),
        point(40, "a", "1.1"),
        point(50, "b", "1.0"),
        point(400, "a", "1.0"),
    ),
    rollouts=(
        RolloutPoint(0, "r1", "app/1.1", RolloutState.RUNNING),
        RolloutPoint(60, "r1", "app/1.1", RolloutState.FAILED),
    ),
    phases=(
        PhasePoint(0, "r1", 0, "canary", PhaseState.OFFERING),
        PhasePoint(60, "r1", 0, "canary", PhaseState.FAILED),
        PhasePoint(0, "r1", 1, "all", PhaseState.PENDING),
    ),
    tallies=(PhaseTally("r1", 0, "canary", PhaseState.FAILED, 2),),
    endings=(
        Ending(31, "a", "r1", "app/1.1", Outcome.FAILED, "unreachable"),
        Ending(41, "a", "r1", "app/1.1", Outcome.COMMITTED),
        Ending(51, "b", "r1", "app/1.1", Outcome.REVERTED, "health_failed"),
    ),
    story=(Told(60, Teller.SERVER, "fail phase: 1 of 2 reverted"),),
    component="app",
    components={},
    seconds=1000.0,
    faults={"power_cut": 2},
    bricked=(),
    lost_events={},
    answers=(Answer("a", "app", "reverted", "a runs 1.0: it reverted."),),
    metered_mb=12.5,
)
E = Expectation

HELD = [
    E(Kind.EVER_RAN, 1, version="1.1", high=2),
    E(Kind.RUNS_AT_END, 1, version="1.0", low=2, high=2),
    E(Kind.ROLLOUT, 1, states=("failed",)),
    E(Kind.ROLLOUT, 1, states=("failed",), within_s=60.0),
    E(Kind.PHASE, 1, phase="canary", states=("failed",)),
    E(Kind.NEVER_BEGAN, 1, phase="all"),
    E(Kind.OUTCOMES, 1, version="1.1", outcome=Outcome.REVERTED, reason="health_failed", low=1, high=1),
    E(Kind.OUTCOMES, 1, version="1.1", outcome=Outcome.FAILED, high=0),
    E(Kind.OUTCOMES, 1, version="1.1", outcome=Outcome.FAILED, ever=True, low=1, high=1),
    E(Kind.OUTCOMES, 1, version="1.0", outcome=Outcome.FAILED, ever=True, high=0),
    E(Kind.BACK_WITHIN, 1, version="1.1", within_s=400.0),
    E(Kind.BRICKED, 1, high=0),
    E(Kind.LOST_EVENTS, 1, high=0),
    E(Kind.FALSE_SUCCESS, 1, high=0),
    E(Kind.ONLY_RAN, 1, versions=("1.0", "1.1")),
    E(Kind.UNAVAILABLE, 1, high=2, low=2),
    E(Kind.TOLD, 1, text="reverted", low=1),
    E(Kind.UNEXPLAINED, 1, high=0),
    E(Kind.OPEN, 1, high=0),
    E(Kind.FAULTS, 1, text="power_cut", low=2),
    E(Kind.METERED_MB, 1, high=13),
]
BROKEN = [
    E(Kind.EVER_RAN, 1, version="1.1", high=1),
    E(Kind.RUNS_AT_END, 1, version="1.1", low=1),
    E(Kind.ROLLOUT, 1, states=("succeeded",)),
    E(Kind.ROLLOUT, 1, states=("failed",), within_s=59.0),
    E(Kind.ROLLOUT, 1, rollout=2, states=("failed",)),
    E(Kind.PHASE, 1, phase="canary", states=("passed",)),
    E(Kind.PHASE, 1, phase="nothing", states=("passed",)),
    E(Kind.NEVER_BEGAN, 1, phase="canary"),
    E(Kind.NEVER_BEGAN, 1, phase="nothing"),
    E(Kind.OUTCOMES, 1, version="1.1", outcome=Outcome.LOST, low=1),
    E(Kind.OUTCOMES, 1, version="1.1", outcome=Outcome.FAILED, ever=True, high=0),
    E(Kind.BACK_WITHIN, 1, version="1.1", within_s=300.0),
    E(Kind.BACK_WITHIN, 1, rollout=2, version="1.1", within_s=300.0),
    E(Kind.BACK_WITHIN, 1, version="1.2", within_s=300.0),
    E(Kind.ONLY_RAN, 1, versions=("1.0",)),
    E(Kind.UNAVAILABLE, 1, high=1),
    E(Kind.UNAVAILABLE, 1, per_site=True, high=1),
    E(Kind.TOLD, 1, text="reverted", high=0),
    E(Kind.FAULTS, 1, low=3),
    E(Kind.METERED_MB, 1, high=12),
]


@pytest.mark.parametrize("expectation", HELD, ids=lambda e: e.words)
def test_what_was_so_is_held(expectation: Expectation) -> None:
    assert judge(expectation, SEEN).held


@pytest.mark.parametrize("expectation", BROKEN, ids=lambda e: e.words)
def test_what_was_not_so_is_not_and_says_what_was_found(expectation: Expectation) -> None:
    met = judge(expectation, SEEN)

    assert not met.held
    assert met.found


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        (Kind.BRICKED, {"bricked": ["cam-9"]}),
        (Kind.UNEXPLAINED, {"answers": (Answer("cam-9", "app", "unknown", "Who knows?"),)}),
    ],
)
def test_devices_that_should_not_be_there_are_named(kind: Kind, changed: dict[str, Any]) -> None:
    met = judge(E(kind, 1, high=0), replace(SEEN, **changed))

    assert not met.held
    assert "cam-9" in met.found


def test_a_commit_of_what_never_ran_is_a_false_success() -> None:
    lie = replace(SEEN, endings=(Ending(5, "b", "r1", "app/1.1", Outcome.COMMITTED),))

    assert not judge(E(Kind.FALSE_SUCCESS, 1, high=0), lie).held


def test_lost_events_are_counted() -> None:
    assert judge(E(Kind.LOST_EVENTS, 1, high=0), replace(SEEN, lost_events={"a": 2})).found.startswith("2")


def test_what_is_still_under_way_is_open() -> None:
    waiting = replace(SEEN, points=(*SEEN.points, point(500, "a", "1.0", S.STAGED)))

    assert not judge(E(Kind.OPEN, 1, high=0), waiting).held


def test_every_kind_has_its_judge_and_its_words() -> None:
    assert set(JUDGES) == set(SUBJECTS) == set(Kind)


@pytest.mark.parametrize(
    "expectation",
    [
        E(Kind.RUNS_AT_END, 1, version="1.1", low=2),
        E(Kind.EVER_RAN, 1, version="1.2", low=1),
        E(Kind.OUTCOMES, 1, version="1.2", low=1, high=1),
    ],
    ids=lambda e: e.words,
)
def test_devices_that_are_missing_say_why_they_are(expectation: Expectation) -> None:
    assert judge(expectation, SEEN).found == "0: a runs 1.0: it reverted."


def test_an_answer_is_held_to_its_words_and_one_that_knows_nothing_is_none() -> None:
    asked = E(Kind.ANSWER, 1, device="a", text="it reverted", low=1, high=1)

    assert judge(asked, SEEN).held
    assert judge(replace(asked, text="it slept"), SEEN) == Met(
        "answers about a that say 'it slept': exactly 1", False, "a runs 1.0: it reverted.", 1
    )
    assert judge(replace(asked, device="c"), SEEN).found == "there is no such device"


def test_a_release_of_any_component_counts_and_one_half_of_a_set_is_parted() -> None:
    half = replace(point(500, "a", "1.1"), also=("m1",))
    seen = replace(SEEN, points=(*SEEN.points, half), components={"m1": "model"})

    assert judge(E(Kind.EVER_RAN, 1, version="m1", low=1, high=1), seen).held
    assert seen.release("m1") == "model/m1"
    assert judge(E(Kind.PARTED, 1, versions=("1.1", "m2"), high=0), seen).found.startswith("1: a")
