"""One vocabulary, written down once and equal on every side."""

from __future__ import annotations

import pytest

from surefoot_shared import status
from surefoot_shared.status import (
    AFTER_ARMED,
    BEFORE_ARMED,
    ROLLOUT_ENDED,
    AttemptState,
    Intent,
    Outcome,
    PhaseState,
    RolloutState,
    SlotName,
    SlotState,
    Verdict,
)

WORDS = {
    AttemptState: "idle offered checking downloading verified staged armed switching probation committing reverting "
    "cleaning rescue",
    Outcome: "committed reverted failed lost refused superseded cancelled shadowed",
    RolloutState: "draft awaiting_approval scheduled running paused held halted reverting succeeded failed cancelled",
    PhaseState: "pending awaiting_approval offering baking passed failed held",
    Verdict: "pass fail hold",
    SlotName: "A B",
    SlotState: "empty good bad",
    status.Presence: "online offline",
    Intent: "update downgrade revert",
    status.Check: "pass fail unknown",
}


@pytest.mark.parametrize("enum", WORDS, ids=lambda e: e.__name__)
def test_the_words_are_those_of_the_design(enum: type[AttemptState]) -> None:
    assert [member.value for member in enum] == WORDS[enum].split()


def test_the_other_slot_of_the_other_slot_is_the_slot() -> None:
    for slot in SlotName:
        assert slot.other is not slot
        assert slot.other.other is slot


def test_no_state_is_before_and_after_armed() -> None:
    assert BEFORE_ARMED.isdisjoint(AFTER_ARMED)
    neither = {AttemptState.IDLE, AttemptState.COMMITTING, AttemptState.REVERTING}
    neither |= {AttemptState.CLEANING, AttemptState.RESCUE}
    assert BEFORE_ARMED | AFTER_ARMED | neither == set(AttemptState)


def test_a_rollout_that_ended_is_not_one_that_waits() -> None:
    waits = {RolloutState.DRAFT, RolloutState.AWAITING_APPROVAL, RolloutState.SCHEDULED, RolloutState.RUNNING}
    waits |= {RolloutState.PAUSED, RolloutState.HELD, RolloutState.HALTED, RolloutState.REVERTING}

    assert set(RolloutState) - waits == ROLLOUT_ENDED
