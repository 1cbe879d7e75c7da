from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from surefoot_agent import events as e
from surefoot_agent import machine
from surefoot_agent.events import Effect as E
from surefoot_agent.machine import RESUME, TRANSITIONS, Undefined, step, to_mermaid
from surefoot_agent.ports import Refusal, Wish
from surefoot_agent.record import Committed, Record
from surefoot_agent.reset_cause import Cause
from surefoot_shared.messages import RevertReport, RunningProof
from surefoot_shared.release import SlotKind, TargetNote
from surefoot_shared.status import BEFORE_ARMED, AttemptState, Intent, Outcome, SlotName

A, B = SlotName.A, SlotName.B
NOTE = TargetNote("app", "1.1", 2, 0, ("x86-box",), SlotKind.TREE, 10, 2)
WISH = Wish("a-1", "app", 7, Intent.UPDATE, "d" * 64, 100, NOTE)
LATER = replace(WISH, assignment="a-2", seq=8, digest="e" * 64)
PROOF = RunningProof("d" * 64, B, 10, "/b/run", "/b", True, 10.0)
REPORT = RevertReport("camera", "frozen frames", "", "failed_verdict")
COMMITTED = Committed("c" * 64, "1.0", A)

SAMPLES: dict[type[e.Event], e.Event] = {
    type(event): event
    for event in (
        e.Assigned(WISH),
        e.AlreadyThere(WISH, PROOF),
        e.Refused(Refusal("a-1", "app", 7, "wrong_hardware", "No.")),
        e.Running(COMMITTED),
        e.FellBack(COMMITTED, "It fell back."),
        e.HaltListed(3, ("d" * 64,)),
        e.Renewed(replace(WISH, seq=8)),
        e.Replaced(replace(WISH, seq=8, assignment="a-2")),
        e.Superseded(),
        e.Withdrawn(),
        e.Halted(),
        e.SetBroken("another failed"),
        e.SetCommitted(),
        e.OrderedBack("Somebody said so."),
        e.Begun(),
        e.CheckPassed(B, A),
        e.SlotHeld(B, A),
        e.RoomForOne(B, A),
        e.Vacated(),
        e.LeaseGiven(),
        e.LeaseEnded(),
        e.Interrupted("unreachable", "No."),
        e.RetryDue(),
        e.Downloaded(),
        e.Sealed(),
        e.TurnCame(),
        e.Shadowed("It ran."),
        e.WindowsOver(),
        e.Measured({"fps": 25.0}, "start-1"),
        e.Flipped(),
        e.NotTaken(),
        e.NeverTook(),
        e.Switched("start-2"),
        e.Rearm(),
        e.Died("Gone.", 3),
        e.Healthy(10.0),
        e.Unhealthy("health_failed", "frozen frames", "camera", {"fps": 0.0}),
        e.Strayed(),
        e.CommitHeld(PROOF),
        e.CommitLost("Lost."),
        e.ReportStored(REPORT),
        e.WentBack(),
        e.Cleaned(),
        e.StepFailed(Outcome.FAILED, "slot_write_failed", "No."),
        e.Stuck("Neither slot."),
    )
}


def play(events: Sequence[e.Event], record: Record | None = None) -> tuple[Record, list[tuple[str, tuple[E, ...]]]]:
    """Return the last record, and each state with the effects ordered on entering it."""
    record = record or Record("app", committed=COMMITTED)
    seen = []
    for event in events:
        record, effects = step(record, event)
        seen.append((record.state.value, effects))
    return record, seen


TO_STAGED = [e.Assigned(WISH), e.Begun(), e.CheckPassed(B, A), e.LeaseGiven(), e.Downloaded(), e.Sealed()]
TO_PROBATION = [*TO_STAGED, e.TurnCame(), e.Measured({"fps": 25.0}, "start-1"), e.Flipped(), e.Switched("start-2")]


def test_a_healthy_update_goes_from_idle_to_idle_and_orders_each_effect_once() -> None:
    record, seen = play([*TO_PROBATION, e.Healthy(10.0), e.CommitHeld(PROOF)])

    assert seen == [
        ("offered", (E.REPORT, E.BEGIN)),
        ("checking", (E.REPORT, E.PREFLIGHT)),
        ("downloading", (E.REPORT, E.ASK_LEASE)),
        ("downloading", (E.DOWNLOAD,)),
        ("verified", (E.REPORT, E.SEAL)),
        ("staged", (E.REPORT, E.WAIT_TURN)),
        ("staged", (E.MEASURE,)),
        ("armed", (E.REPORT, E.ARM)),
        ("switching", (E.REPORT, E.SWITCH)),
        ("probation", (E.REPORT, E.WATCH)),
        ("committing", (E.REPORT, E.COMMIT)),
        ("idle", (E.REPORT_OUTCOME, E.RAISE_FLOORS, E.TAKE_NEXT)),
    ]
    assert record.committed == Committed(WISH.digest, "1.1", B)
    assert record.ended is not None
    assert (record.ended.outcome, record.ended.proof) == (Outcome.COMMITTED, PROOF)
    assert (record.wish, record.slot, record.seq) == (None, None, 7)


def test_an_unhealthy_release_stores_its_reason_and_report_before_it_goes_back() -> None:
    events = [*TO_PROBATION, SAMPLES[e.Unhealthy], e.ReportStored(REPORT), e.WentBack()]

    record, seen = play(events)

    assert seen[-3:] == [
        ("reverting", (E.REPORT, E.STORE_REPORT)),
        ("reverting", (E.REVERT,)),
        ("idle", (E.REPORT_OUTCOME, E.TAKE_NEXT)),
    ]
    assert record.ended is not None
    assert (record.ended.outcome, record.ended.reason, record.ended.report) == (
        Outcome.REVERTED,
        "health_failed",
        REPORT,
    )
    assert record.committed == COMMITTED
    assert not record.previous_kept


@pytest.mark.parametrize(
    ("event", "outcome", "reason"),
    [
        (e.Withdrawn(), Outcome.CANCELLED, "cancelled_by_order"),
        (e.Halted(), Outcome.CANCELLED, "halted"),
        (e.SetBroken("another failed"), Outcome.CANCELLED, "set_broken"),
        (e.Superseded(), Outcome.SUPERSEDED, "superseded"),
    ],
)
@pytest.mark.parametrize("steps", range(1, len(TO_STAGED) + 1))
def test_before_armed_an_order_ends_the_attempt_and_only_cleans(
    steps: int, event: e.Event, outcome: Outcome, reason: str
) -> None:
    record, seen = play([*TO_STAGED[:steps], event, e.Cleaned()])

    assert seen[-2:] == [("cleaning", (E.REPORT, E.CLEAN)), ("idle", (E.REPORT_OUTCOME, E.TAKE_NEXT))]
    assert record.ended is not None
    assert (record.ended.outcome, record.ended.reason) == (outcome, reason)


def test_a_network_failure_never_burns_the_attempt() -> None:
    failures = [SAMPLES[e.Interrupted], e.RetryDue()] * 50

    record, _ = play([*TO_STAGED[:4], *failures])

    assert record.state is AttemptState.DOWNLOADING
    assert record.retries == 50


def test_a_step_that_ends_well_forgets_the_retries_before_it() -> None:
    record, _ = play([*TO_STAGED[:4], SAMPLES[e.Interrupted], e.RetryDue(), e.LeaseGiven(), e.Downloaded()])

    assert record.retries == 0


def test_a_switch_without_effect_is_repeated_and_the_third_one_ends_the_attempt_as_failed() -> None:
    to_armed = TO_PROBATION[:-2]

    record, seen = play([*to_armed, e.NotTaken(), e.RetryDue(), e.NotTaken(), e.RetryDue(), e.NotTaken(), e.Cleaned()])

    assert [state for state, _ in seen[-6:]] == ["armed", "armed", "armed", "armed", "cleaning", "idle"]
    assert record.ended is not None
    assert (record.ended.outcome, record.ended.reason) == (Outcome.FAILED, "switch_had_no_effect")


def test_an_application_that_dies_in_probation_gets_its_tries_and_no_more() -> None:
    once_more = [e.Died("Gone.", 2), e.Switched("start-3")]

    record, seen = play([*TO_PROBATION, *once_more, e.Died("Gone.", 2)])

    assert [state for state, _ in seen[-3:]] == ["switching", "probation", "reverting"]
    assert record.ending is not None
    assert record.ending.reason == "too_many_tries"


def test_a_power_cut_takes_no_try_from_an_application_that_dies() -> None:
    cut = [e.Died("The power was cut.", 2, Cause.POWER_CUT), e.Switched("start-3")]

    record, _ = play([*TO_PROBATION, *cut, e.Died("Gone.", 2), e.Switched("start-4")])

    assert record.state is AttemptState.PROBATION
    assert record.falls == {"power_cut": 1, "application_died": 1}


def test_a_second_panic_ends_the_trial_and_is_its_cause() -> None:
    panic = e.Died("The kernel panicked.", 20, Cause.PANIC)

    record, _ = play([*TO_PROBATION, panic, e.Switched("start-3"), panic])

    assert record.ending is not None
    assert (record.ending.reason, record.ending.cause) == ("too_many_tries", "panic")
    assert "start 2" in record.ending.message


def test_a_failed_step_after_arming_counts_as_reverted_whatever_it_says_itself() -> None:
    record, _ = play([*TO_PROBATION[:-1], SAMPLES[e.StepFailed]])

    assert record.ending is not None
    assert record.ending.outcome is Outcome.REVERTED


def test_commit_is_retried_and_never_turned_around_by_its_own_failures() -> None:
    failures = [SAMPLES[e.StepFailed], e.RetryDue()] * 30

    record, _ = play([*TO_PROBATION, e.Healthy(10.0), *failures])

    assert record.state is AttemptState.COMMITTING


def test_a_way_back_that_fails_again_and_again_becomes_rescue_and_still_gets_home() -> None:
    failures = [SAMPLES[e.StepFailed], e.RetryDue()] * machine.BACK_TRIES
    back = [SAMPLES[e.Unhealthy], e.ReportStored(REPORT), *failures[:-1]]

    record, _ = play([*TO_PROBATION, *back])
    assert record.state is AttemptState.RESCUE
    record, _ = play([e.RetryDue(), SAMPLES[e.StepFailed], e.RetryDue(), e.WentBack()], record)

    assert record.state is AttemptState.IDLE
    assert record.ended is not None
    assert (record.ended.outcome, record.ended.reason) == (Outcome.REVERTED, "health_failed")


def test_a_slot_that_cannot_be_emptied_does_not_hold_the_device() -> None:
    failures = [SAMPLES[e.StepFailed], e.RetryDue()] * (machine.CLEAN_TRIES - 1)

    record, _ = play([*TO_STAGED, e.Withdrawn(), *failures, SAMPLES[e.StepFailed]])

    assert record.state is AttemptState.IDLE


def test_the_same_digest_under_another_assignment_goes_on_and_ends_the_older_one() -> None:
    record, seen = play([*TO_STAGED, SAMPLES[e.Replaced]])

    assert seen[-1] == ("staged", (E.REPORT_OUTCOME, E.REPORT, E.WAIT_TURN))
    assert record.ended is not None
    assert (record.ended.assignment, record.ended.outcome) == ("a-1", Outcome.SUPERSEDED)
    assert record.wish is not None
    assert record.wish.assignment == "a-2"


def test_the_order_to_activate_reaches_a_staged_release_without_a_new_download() -> None:
    _, seen = play([*TO_STAGED, e.Renewed(replace(WISH, seq=8, activate=True))])

    assert seen[-1] == ("staged", (E.WAIT_TURN,))


def test_a_rescue_without_an_attempt_ends_without_an_outcome() -> None:
    record, _ = play([e.Stuck("Neither slot."), e.RetryDue(), e.WentBack()])

    assert record.state is AttemptState.IDLE
    assert record.ended is None


def test_a_release_that_is_assigned_in_rescue_ends_the_one_that_could_not_come_back_as_failed() -> None:
    failures = [SAMPLES[e.StepFailed], e.RetryDue()] * machine.BACK_TRIES
    record, _ = play([*TO_PROBATION, SAMPLES[e.Unhealthy], e.ReportStored(REPORT), *failures[:-1]])

    record, seen = play([e.Superseded()], record)

    assert seen == [("idle", (E.REPORT_OUTCOME, E.TAKE_NEXT))]
    assert record.ended is not None
    assert (record.ended.outcome, record.ended.reason) == (Outcome.FAILED, "health_failed")
    assert "could not go back" in record.ended.message


def test_a_second_try_of_one_assignment_is_counted() -> None:
    record, _ = play([e.Assigned(WISH), e.Withdrawn(), e.Cleaned(), e.Assigned(replace(WISH, seq=9))])

    assert record.attempt == 2


def test_the_previous_copy_is_gone_from_the_first_byte_on_and_there_again_after_a_commit() -> None:
    record, _ = play(TO_STAGED[:3])
    assert not record.previous_kept

    record, _ = play([*TO_PROBATION, e.Healthy(10.0), e.CommitHeld(PROOF)])
    assert record.previous_kept


def test_every_pair_outside_the_table_is_refused() -> None:
    for state in AttemptState:
        record = replace(
            Record("app"), state=state, wish=WISH, slot=B, previous=A, committed=COMMITTED, starts=0, attempt=1
        )
        for kind, event in SAMPLES.items():
            if (state, kind) in TRANSITIONS:
                step(record, event)
            else:
                with pytest.raises(Undefined):
                    step(record, event)


def test_every_event_is_in_the_table() -> None:
    assert {kind for _, kind in TRANSITIONS} == set(SAMPLES)


def test_every_effect_is_ordered_somewhere() -> None:
    assert {effect for _, effects in TRANSITIONS.values() for effect in effects} == set(E)


def test_there_is_no_dead_end() -> None:
    reaches = {AttemptState.IDLE}
    while True:
        more = {a for (a, _), (b, _) in TRANSITIONS.items() if b in reaches} - reaches
        if not more:
            break
        reaches |= more

    assert reaches == set(AttemptState)


def test_every_state_that_waits_orders_what_ends_the_wait() -> None:
    waiting = {E.REPORT, E.REPORT_OUTCOME, E.REPORT_FELL_BACK, E.RAISE_FLOORS}
    for (before, event), (after, effects) in TRANSITIONS.items():
        if before is not after and after is not AttemptState.IDLE:
            assert set(effects) - waiting, f"{before.value} + {event.__name__} orders nothing"


def test_a_restarted_agent_has_something_to_do_in_every_state_but_idle() -> None:
    assert set(RESUME) == set(AttemptState)
    assert [state for state, effects in RESUME.items() if not effects] == [AttemptState.IDLE]


def test_nothing_leads_from_after_the_flip_to_cleaning_except_a_switch_that_never_took() -> None:
    into = [(a, event) for (a, event), (b, _) in TRANSITIONS.items() if b is AttemptState.CLEANING is not a]

    assert {event for a, event in into if a not in BEFORE_ARMED} == {e.NeverTook}


def test_committed_is_reached_from_committing_only() -> None:
    assert [a for (a, event) in TRANSITIONS if event is e.CommitHeld] == [AttemptState.COMMITTING]


def test_the_picture_names_every_state() -> None:
    picture = to_mermaid()

    assert picture.startswith("stateDiagram-v2\n    [*] --> idle\n")
    assert all(f" {state.value}" in picture for state in AttemptState)
