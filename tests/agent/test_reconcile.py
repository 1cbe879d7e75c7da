from __future__ import annotations

import itertools

import pytest

from surefoot_agent.reconcile import TABLE, Facts, Next, Where, decide
from surefoot_agent.trial import Verdict
from surefoot_shared.status import AttemptState

S = AttemptState
OLD, NEW, NEITHER = Where.OLD, Where.NEW, Where.NEITHER
EVERYTHING = [
    Facts(*combination)
    for combination in itertools.product(Where, (None, *AttemptState), (False, True), (None, *Verdict), (False, True))
]


def answer(
    running: Where,
    state: AttemptState | None,
    changed: bool = False,
    verdict: Verdict | None = None,
    tries_left: bool = True,
) -> Next:
    return decide(Facts(running, state, changed, verdict, tries_left)).next


def test_the_table_answers_every_combination() -> None:
    answers = [decide(facts).next for facts in EVERYTHING]

    assert set(answers) == set(Next)


def test_no_row_of_the_table_is_dead() -> None:
    used = {id(decide(facts)) for facts in EVERYTHING}

    assert [row.why for row in TABLE if id(row) not in used] == []


@pytest.mark.parametrize("state", [S.OFFERED, S.CHECKING, S.DOWNLOADING, S.VERIFIED, S.STAGED])
@pytest.mark.parametrize("changed", [False, True])
def test_a_step_before_arming_is_resumed_though_the_machine_restarted(state: S, changed: bool) -> None:
    assert answer(OLD, state, changed) is Next.RESUME


@pytest.mark.parametrize("state", [S.ARMED, S.SWITCHING])
def test_a_flip_that_did_not_take_is_repeated(state: S) -> None:
    assert answer(OLD, state) is Next.REPEAT_SWITCH


@pytest.mark.parametrize("state", [S.ARMED, S.SWITCHING, S.PROBATION])
def test_a_new_slot_left_without_verdict_is_tried_again_while_tries_are_left(state: S) -> None:
    assert answer(OLD, state, True) is Next.REARM
    assert answer(OLD, state, True, tries_left=False) is Next.REVERTED


@pytest.mark.parametrize("running", [OLD, NEW])
@pytest.mark.parametrize("state", [S.ARMED, S.SWITCHING, S.PROBATION])
@pytest.mark.parametrize("verdict", [Verdict.GUARD, Verdict.UNHEALTHY])
@pytest.mark.parametrize("changed", [False, True])
def test_a_stored_verdict_against_it_always_wins(running: Where, state: S, verdict: Verdict, changed: bool) -> None:
    assert answer(running, state, changed, verdict) is Next.REVERTED


@pytest.mark.parametrize("state", [S.ARMED, S.SWITCHING])
def test_the_new_slot_runs_its_first_try_or_its_application_is_restarted(state: S) -> None:
    assert answer(NEW, state, True) is Next.FIRST_TRY
    assert answer(NEW, state, False) is Next.RESTART


def test_a_restart_of_the_agent_in_probation_is_no_restart_of_the_release() -> None:
    assert answer(NEW, S.PROBATION, False) is Next.GO_ON
    assert answer(NEW, S.PROBATION, True) is Next.NEXT_TRY


@pytest.mark.parametrize("verdict", [None, Verdict.UNHEALTHY, Verdict.GUARD])
@pytest.mark.parametrize("changed", [False, True])
def test_committing_goes_on_in_the_new_slot_and_is_lost_in_the_old(verdict: Verdict | None, changed: bool) -> None:
    assert answer(NEW, S.COMMITTING, changed, verdict) is Next.COMMIT_AGAIN
    assert answer(OLD, S.COMMITTING, changed, verdict) is Next.COMMIT_LOST


@pytest.mark.parametrize("running", [OLD, NEW])
@pytest.mark.parametrize("state", [S.PROBATION, S.COMMITTING])
@pytest.mark.parametrize("changed", [False, True])
def test_a_stored_verdict_for_the_release_is_carried_out_whatever_runs(running: Where, state: S, changed: bool) -> None:
    assert answer(running, state, changed, Verdict.HEALTHY) is Next.COMMIT_AGAIN


@pytest.mark.parametrize("running", [OLD, NEW])
def test_a_way_back_is_walked_to_its_end(running: Where) -> None:
    assert answer(running, S.REVERTING) is Next.RESUME


def test_an_idle_device_runs_what_it_committed_or_says_that_it_fell_back() -> None:
    assert answer(NEW, S.IDLE) is Next.SETTLED
    assert answer(OLD, S.IDLE) is Next.FELL_BACK


@pytest.mark.parametrize("running", list(Where))
def test_an_unreadable_journal_never_makes_the_agent_act(running: Where) -> None:
    for facts in EVERYTHING:
        if facts.state is None:
            assert decide(facts).next is Next.REPORT_ONLY


def test_a_device_on_which_neither_slot_shows_needs_rescue() -> None:
    for state in set(AttemptState) - {S.RESCUE}:
        assert answer(NEITHER, state) is Next.RESCUE


@pytest.mark.parametrize("state", [S.DOWNLOADING, S.VERIFIED, S.STAGED])
def test_a_slot_entered_though_it_was_never_armed_is_left_again(state: S) -> None:
    assert answer(NEW, state) is Next.STRAYED
