"""The state tables: complete enough to end, strict enough to refuse, and drawn as they are."""

from __future__ import annotations

import itertools

import pytest

from surefoot_server.rollouts.table import (
    ACTS,
    PHASE,
    ROLLOUT,
    PhaseEvent,
    RolloutEvent,
    acts_in,
    next_phase,
    next_rollout,
    to_mermaid,
)
from surefoot_shared.errors import Conflict
from surefoot_shared.status import ROLLOUT_ENDED, PhaseState, RolloutState

OUTSIDE = [p for p in itertools.product(RolloutState, RolloutEvent) if p not in ROLLOUT]
OUTSIDE_PHASE = [p for p in itertools.product(PhaseState, PhaseEvent) if p not in PHASE]


def reachable(start: RolloutState) -> set[RolloutState]:
    found = {start}
    while more := {to for (at, _), to in ROLLOUT.items() if at in found} - found:
        found |= more
    return found


def test_every_state_is_reached_from_the_draft() -> None:
    assert reachable(RolloutState.DRAFT) == set(RolloutState)


@pytest.mark.parametrize("state", sorted(set(RolloutState)))
def test_no_state_is_a_dead_end_before_an_end(state: RolloutState) -> None:
    assert reachable(state) & ROLLOUT_ENDED


@pytest.mark.parametrize(("state", "event"), OUTSIDE)
def test_what_the_table_does_not_hold_is_refused(state: RolloutState, event: RolloutEvent) -> None:
    with pytest.raises(Conflict) as refused:
        next_rollout(state, event)

    assert state.value in refused.value.message
    assert "Possible now" in refused.value.hint


@pytest.mark.parametrize(("state", "event"), OUTSIDE_PHASE)
def test_a_phase_never_steps_outside_its_table(state: PhaseState, event: PhaseEvent) -> None:
    with pytest.raises(KeyError):
        next_phase(state, event)


def test_a_phase_passes_only_out_of_its_bake_or_where_nobody_is_in_it() -> None:
    ways = {(at, event) for (at, event), to in PHASE.items() if to is PhaseState.PASSED}

    collapse = {(state, PhaseEvent.COLLAPSE) for state in (PhaseState.PENDING, PhaseState.OFFERING)}
    assert ways == {(PhaseState.BAKING, PhaseEvent.PASS), *collapse}


def test_an_ended_rollout_never_runs_again_by_itself() -> None:
    for state in ROLLOUT_ENDED:
        assert {event for at, event in ROLLOUT if at is state} <= ACTS


def test_the_acts_of_a_state_are_what_a_person_may_do() -> None:
    assert acts_in(RolloutState.HELD) == (
        RolloutEvent.APPROVE,
        RolloutEvent.REJECT,
        RolloutEvent.RESUME,
        RolloutEvent.RETRY,
        RolloutEvent.HALT,
        RolloutEvent.REVERT,
        RolloutEvent.CANCEL,
    )


def test_the_picture_holds_every_edge_of_the_table() -> None:
    picture = to_mermaid(PHASE)

    assert picture.startswith("stateDiagram-v2\n    [*] --> pending\n")
    assert "    baking --> passed: pass\n" in picture
    assert picture.count(" --> ") == len({(a, b) for (a, _), b in PHASE.items()}) + 1 + 2
