from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot_agent import events as e
from surefoot_agent.machine import step
from surefoot_agent.ports import Refusal
from surefoot_agent.record import Committed, Record
from surefoot_agent.report import Stamp, component_report, drafts, notice, progress, refusal
from surefoot_shared.errors import InstallFailed, UntrustedRelease
from surefoot_shared.messages import Event, EventKind, SlotReport
from surefoot_shared.status import AttemptState, Outcome, SlotName, SlotState
from tests.agent.test_machine import PROOF, REPORT, SAMPLES, TO_PROBATION, TO_STAGED, WISH, play

STAMP = Stamp("cam-1", "stream-1", "2030-01-01T00:00:00Z", "boot-1")
A, B = SlotName.A, SlotName.B


@pytest.mark.parametrize("message", ["timestamp is version 3; 4 is stored", "the halt list has epoch 2; 3 is stored"])
def test_an_old_copy_of_what_is_signed_anew_each_day_is_no_alarm(message: str) -> None:
    kind, reason, said = refusal(UntrustedRelease("metadata_rollback", message))

    assert (kind, reason) == (EventKind.NOTICE, "metadata_rollback")
    assert "ignored" in said


def test_what_nobody_signed_is_an_alarm_and_what_cannot_be_read_is_not() -> None:
    assert refusal(UntrustedRelease("metadata_untrusted", "Nobody."))[0] is EventKind.SECURITY
    assert refusal(UntrustedRelease("metadata_rollback", "root went back"))[0] is EventKind.SECURITY
    assert refusal(InstallFailed("no_space", "Full.")) == (EventKind.NOTICE, "no_space", "Full.")


def told(record: Record, event: e.Event) -> list[Event]:
    """What one event makes the agent tell."""
    after, effects = step(record, event)
    return [draft(seq) for seq, draft in enumerate(drafts(STAMP, record, event, after, effects), 1)]


def test_every_change_of_state_is_told_with_the_assignment_and_the_number() -> None:
    record, _ = play(TO_STAGED[:2])

    (event,) = told(record, e.CheckPassed(B, A))

    assert (event.kind, event.state, event.assignment, event.attempt) == (
        EventKind.PROGRESS,
        AttemptState.DOWNLOADING,
        "a-1",
        1,
    )
    assert (event.device, event.stream, event.seq, event.boot_id) == ("cam-1", "stream-1", 1, "boot-1")


def test_committed_is_told_with_its_proof() -> None:
    record, _ = play([*TO_PROBATION, e.Healthy(10.0)])

    (event,) = told(record, e.CommitHeld(PROOF))

    assert (event.kind, event.outcome, event.proof) == (EventKind.OUTCOME, Outcome.COMMITTED, PROOF)


def test_reverted_is_told_with_reason_and_report() -> None:
    record, _ = play([*TO_PROBATION, SAMPLES[e.Unhealthy], e.ReportStored(REPORT)])

    (event,) = told(record, e.WentBack())

    assert (event.outcome, event.reason, event.report) == (Outcome.REVERTED, "health_failed", REPORT)


def test_the_reason_is_told_already_when_the_way_back_begins() -> None:
    record, _ = play(TO_PROBATION)

    (event,) = told(record, SAMPLES[e.Unhealthy])

    assert (event.state, event.reason, event.message) == (AttemptState.REVERTING, "health_failed", "frozen frames")


def test_an_assignment_that_took_over_is_told_after_the_end_of_the_one_before() -> None:
    record, _ = play(TO_STAGED)

    first, second = told(record, e.Replaced(replace(WISH, seq=8, assignment="a-2")))

    assert (first.assignment, first.outcome) == ("a-1", Outcome.SUPERSEDED)
    assert (second.assignment, second.state, second.kind) == ("a-2", AttemptState.STAGED, EventKind.PROGRESS)


def test_a_rescue_without_an_attempt_tells_no_outcome_a_second_time() -> None:
    record, _ = play([e.Refused(Refusal("a-1", "app", 7, "halted", "No.")), e.Stuck("Neither slot."), e.RetryDue()])

    (event,) = told(record, e.WentBack())

    assert (event.kind, event.outcome) == (EventKind.NOTICE, None)
    assert "repaired" in (event.message or "")


def test_a_late_fallback_names_what_runs_now() -> None:
    (event,) = told(Record("app"), e.FellBack(Committed("c" * 64, "1.0", A), "1.0 runs again."))

    assert (event.kind, event.message, event.outcome) == (EventKind.FELL_BACK, "1.0 runs again.", None)


def test_progress_and_notices_carry_what_they_are_given() -> None:
    record, _ = play(TO_STAGED[:4])

    assert progress(STAMP, record, ratio=0.5)(3).progress == 0.5
    assert progress(STAMP, record, "soak")(3).message == "soak"
    told = notice(STAMP, record, EventKind.SECURITY, "metadata_untrusted", "No.")(9)
    assert (told.seq, told.kind, told.reason) == (9, EventKind.SECURITY, "metadata_untrusted")


@pytest.mark.parametrize("proved", [True, False])
def test_a_component_claims_a_digest_only_with_proof(proved: bool) -> None:
    slots = {A: SlotReport(SlotState.GOOD, "1.0", "c" * 64), B: SlotReport(SlotState.GOOD, "1.1", "d" * 64)}

    report = component_report(Record("app", seq=7), slots, PROOF if proved else None)

    assert (report.slot, report.release, report.digest) == ((B, "1.1", "d" * 64) if proved else (None, None, None))
    assert report.slots == {"A": slots[A], "B": slots[B]}
    assert report.seq == 7
