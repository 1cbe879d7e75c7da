"""What a device reports becomes rows: once, in order, and only where it is proved."""

from __future__ import annotations

import pytest
from sqlmodel import col, select

from surefoot_server.audit.models import AuditEntry
from surefoot_server.devices.models import Assignment, DeviceComponent, DeviceEvent
from surefoot_server.devices.reports import HelloVerdict
from surefoot_shared.messages import EventKind, Hello, MetadataVersions, RevertReport
from surefoot_shared.status import AttemptState, Outcome
from tests.server.rig import Rig, digest, event, hello, later, outcome, progress, proof, runs


def say_hello(rig: Rig, message: Hello, seconds: float = 0) -> HelloVerdict:
    with rig.db.write() as session:
        return rig.devices.hello(session, message, later(seconds))


def app(rig: Rig, device_id: str) -> DeviceComponent:
    with rig.db.read() as session:
        found = session.get(DeviceComponent, (device_id, "app"))
    assert found is not None
    return found


def audited(rig: Rig, action: str) -> list[AuditEntry]:
    with rig.db.read() as session:
        return list(session.exec(select(AuditEntry).where(col(AuditEntry.action) == action)))


def test_a_hello_stores_what_runs_and_which_metadata_the_device_has(rig: Rig) -> None:
    rig.device("cam-1")
    rig.release("app/1.0")

    verdict = say_hello(rig, hello("cam-1", components=(runs("app/1.0"),), image=MetadataVersions(timestamp=7)))

    device, part = rig.device_row("cam-1"), app(rig, "cam-1")
    assert verdict is HelloVerdict.ACCEPTED
    assert (device.online, device.image_versions["timestamp"], device.stream) == (True, 7, "s1")
    assert (part.release_id, part.slot, part.slots["A"]["state"]) == ("app/1.0", "A", "good")


def test_a_digest_that_was_never_published_is_kept_and_has_no_release(rig: Rig) -> None:
    rig.device("cam-1")

    say_hello(rig, hello("cam-1", components=(runs("app/9.9"),)))

    assert (app(rig, "cam-1").release_id, app(rig, "cam-1").digest) == (None, digest("app/9.9"))


def test_a_replayed_hello_changes_nothing_and_asks_for_no_answer(rig: Rig) -> None:
    rig.device("cam-1")
    say_hello(rig, hello("cam-1", 1, components=(runs("app/1.0"),)))
    say_hello(rig, hello("cam-1", 2, components=(runs("app/1.1"),)))
    rig.dirty.clear()

    verdict = say_hello(rig, hello("cam-1", 1, components=(runs("app/1.0"),)), seconds=60)

    assert verdict is HelloVerdict.REPLAYED
    assert app(rig, "cam-1").digest == digest("app/1.1")
    assert rig.device_row("cam-1").last_seen_at == later(0)
    assert rig.dirty == []


def test_a_new_journal_begins_its_numbers_anew(rig: Rig) -> None:
    rig.device("cam-1")
    say_hello(rig, hello("cam-1", 9))

    assert say_hello(rig, hello("cam-1", 1, stream="s2")) is HelloVerdict.ACCEPTED


def test_an_agent_that_restarts_is_no_identity_conflict(rig: Rig) -> None:
    rig.device("cam-1")

    verdicts = [say_hello(rig, hello("cam-1", n, instance=f"i{n}")) for n in range(1, 5)]

    assert set(verdicts) == {HelloVerdict.ACCEPTED}
    assert rig.device_row("cam-1").attention is None


def test_two_instances_that_alternate_are_an_identity_conflict(rig: Rig) -> None:
    rig.device("cam-1")
    say_hello(rig, hello("cam-1", 1, instance="left", stream="s1"))
    say_hello(rig, hello("cam-1", 1, instance="right", stream="s2"))

    verdict = say_hello(rig, hello("cam-1", 2, instance="left", stream="s1"))
    say_hello(rig, hello("cam-1", 2, instance="right", stream="s2"))

    assert verdict is HelloVerdict.CONFLICT
    assert rig.device_row("cam-1").attention == "identity_conflict"
    assert len(audited(rig, "device.identity_conflict")) == 1


def test_one_number_signed_twice_proves_a_copied_journal(rig: Rig) -> None:
    rig.device("cam-1")
    say_hello(rig, hello("cam-1", 5, instance="left"))

    verdict = say_hello(rig, hello("cam-1", 5, instance="right"))

    assert verdict is HelloVerdict.CONFLICT
    assert rig.device_row("cam-1").attention == "identity_conflict"


def test_the_watermark_stops_at_a_hole(rig: Rig) -> None:
    rig.device("cam-1")
    rig.events("cam-1", event("cam-1", 1), event("cam-1", 2))

    assert rig.events("cam-1", event("cam-1", 4)) == 2


def test_a_filled_hole_lets_the_watermark_move_over_it(rig: Rig) -> None:
    rig.device("cam-1")
    rig.events("cam-1", event("cam-1", 1))
    rig.events("cam-1", event("cam-1", 3))

    assert rig.events("cam-1", event("cam-1", 2), event("cam-1", 3)) == 3


def test_after_a_hello_a_hole_below_the_outbox_is_for_good(rig: Rig) -> None:
    rig.device("cam-1")
    rig.events("cam-1", event("cam-1", 1))
    say_hello(rig, hello("cam-1"))

    assert rig.events("cam-1", event("cam-1", 5), event("cam-1", 6)) == 6


def test_an_event_that_comes_twice_is_stored_once(rig: Rig) -> None:
    rig.device("cam-1")
    rig.events("cam-1", event("cam-1", 1), event("cam-1", 1))
    rig.events("cam-1", event("cam-1", 1))

    with rig.db.read() as session:
        assert [row.seq for row in session.exec(select(DeviceEvent))] == [1]


def test_an_event_that_names_another_device_is_not_stored(rig: Rig) -> None:
    rig.device("cam-1")

    assert rig.events("cam-1", event("cam-2", 1)) == 0


def test_progress_sets_the_state_of_the_attempt(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))

    rig.events("cam-1", progress(row, 1, AttemptState.DOWNLOADING, progress=0.25), now=later(5))

    after = rig.read(row)
    assert (after.state, after.progress, after.state_at, after.open) == ("downloading", 0.25, later(5), True)


def test_a_staged_device_that_says_what_it_waits_for_is_not_stuck(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    waits = "waits: the application holds a lock since 12:00Z"

    rig.events("cam-1", progress(row, 1, AttemptState.STAGED, message=waits), now=later(5))
    rig.events("cam-1", progress(row, 2, AttemptState.STAGED, message=waits), now=later(600))

    after = rig.read(row)
    assert (after.state, after.message, after.state_at) == ("staged", waits, later(600))


def test_what_a_component_is_doing_follows_its_events_and_not_only_its_hellos(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))

    rig.events("cam-1", progress(row, 1, AttemptState.REVERTING))
    during = component_state(rig)
    rig.events("cam-1", outcome(row, 2, Outcome.REVERTED, state=AttemptState.IDLE, reason="no_verdict"))

    assert (during, component_state(rig)) == ("reverting", "idle")


def component_state(rig: Rig) -> str:
    with rig.db.read() as session:
        return session.exec(select(DeviceComponent)).one().state


def test_late_progress_does_not_turn_the_state_back(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    rig.events("cam-1", progress(row, 3, AttemptState.PROBATION))

    rig.events("cam-1", progress(row, 2, AttemptState.DOWNLOADING))

    assert rig.read(row).state == "probation"


def test_a_proved_commit_closes_the_assignment_and_becomes_what_runs(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))

    rig.events("cam-1", outcome(row, 1, Outcome.COMMITTED), now=later(9))

    after = rig.read(row)
    assert (after.outcome, after.outcome_by, after.open, after.ended_at) == ("committed", "device", False, later(9))
    assert after.proof is not None
    assert after.proof["pid"] == 42
    assert (app(rig, "cam-1").release_id, app(rig, "cam-1").slot) == ("app/1.1", "B")


def test_a_commit_without_proof_does_not_count(rig: Rig) -> None:
    _refused_claim(rig, None, "it gave no proof")


def test_a_commit_of_another_digest_does_not_count(rig: Rig) -> None:
    _refused_claim(rig, proof(digest("app/1.0")), "what runs is not the assigned digest")


def test_a_commit_in_a_slot_not_marked_good_does_not_count(rig: Rig) -> None:
    _refused_claim(rig, proof(digest("app/1.1"), marked_good=False), "the new slot is not marked good")


def _refused_claim(rig: Rig, given: object, doubt: str) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))

    rig.events("cam-1", outcome(row, 1, Outcome.COMMITTED, proof=given))

    assert (rig.read(row).outcome, rig.read(row).open) == (None, True)
    assert rig.device_row("cam-1").attention == "suspicious_outcome"
    assert len(audited(rig, "outcome.suspicious")) == 1
    with rig.db.read() as session:
        assert session.exec(select(DeviceEvent)).one().suspicious == doubt


def test_a_revert_keeps_the_reason_and_the_report(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.2"))
    report = RevertReport("camera", "30 of 30 frozen frames", "log", "failed_verdict", {"fps": 25.0})

    reverted = outcome(
        row, 1, Outcome.REVERTED, reason="health_failed", message="30 of 30 frozen frames", report=report
    )
    rig.events("cam-1", reverted)

    after = rig.read(row)
    assert (after.outcome, after.reason, after.message) == ("reverted", "health_failed", "30 of 30 frozen frames")
    assert after.report is not None
    assert after.report["check"] == "camera"


def test_the_first_outcome_of_a_device_stands(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    rig.events("cam-1", outcome(row, 1, Outcome.REVERTED, reason="boot_failed"))

    rig.events("cam-1", outcome(row, 2, Outcome.COMMITTED))

    assert rig.read(row).outcome == "reverted"


def test_a_device_that_returns_corrects_that_it_was_lost(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    with rig.db.write() as session:
        rig.devices.withdraw(session, row.id, Outcome.LOST, "lost", later(1))

    rig.events("cam-1", outcome(row, 1, Outcome.COMMITTED), now=later(60))

    assert (rig.read(row).outcome, rig.read(row).outcome_by) == ("committed", "device")
    assert audited(rig, "outcome.corrected")[0].detail == {"assignment": row.id, "was": "lost", "is": "committed"}


def test_an_outcome_that_crossed_a_withdrawal_is_the_one_that_counts(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    with rig.db.write() as session:
        rig.devices.withdraw(session, row.id, Outcome.CANCELLED, "cancelled_by_order", later(1))

    rig.events("cam-1", outcome(row, 1, Outcome.COMMITTED), now=later(2))

    assert rig.read(row).outcome == "committed"


def test_an_event_about_another_devices_assignment_is_stored_as_suspicious(rig: Rig) -> None:
    rig.device("cam-1")
    rig.device("cam-2")
    row = rig.assign("cam-1", rig.release("app/1.1"))

    rig.events("cam-2", event("cam-2", 1, EventKind.OUTCOME, assignment=row.id, outcome=Outcome.FAILED))

    assert rig.read(row).open
    with rig.db.read() as session:
        assert session.exec(select(DeviceEvent)).one().suspicious == "assignment of another device"


def test_an_old_commit_that_arrives_late_does_not_replace_what_runs(rig: Rig) -> None:
    rig.device("cam-1")
    first, second = rig.assign("cam-1", rig.release("app/1.1")), rig.assign("cam-1", rig.release("app/1.2"))
    rig.events("cam-1", outcome(second, 2, Outcome.COMMITTED))

    rig.events("cam-1", outcome(first, 1, Outcome.COMMITTED))

    assert app(rig, "cam-1").release_id == "app/1.2"


def test_a_late_fallback_updates_what_runs_and_asks_for_a_person(rig: Rig) -> None:
    rig.device("cam-1")
    rig.release("app/1.0")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    rig.events("cam-1", outcome(row, 1, Outcome.COMMITTED))

    rig.events("cam-1", event("cam-1", 2, EventKind.FELL_BACK, proof=proof(digest("app/1.0"))))

    assert app(rig, "cam-1").release_id == "app/1.0"
    assert rig.device_row("cam-1").attention == "fell_back"
    assert rig.read(row).outcome == "reverted"
    assert rig.read(row).reason == "commit_lost"


def test_a_late_fallback_that_is_told_again_does_not_touch_an_older_commit(rig: Rig) -> None:
    rig.device("cam-1")
    older = rig.assign("cam-1", rig.release("app/1.0"))
    rig.events("cam-1", outcome(older, 1, Outcome.COMMITTED))
    row = rig.assign("cam-1", rig.release("app/1.1"))
    rig.events("cam-1", outcome(row, 2, Outcome.COMMITTED))

    for seq in (3, 4):
        rig.events("cam-1", event("cam-1", seq, EventKind.FELL_BACK))

    assert rig.read(row).outcome == "reverted"
    assert rig.read(older).outcome == "committed"


def test_a_late_fallback_without_a_proof_leaves_what_runs_unknown(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    rig.events("cam-1", outcome(row, 1, Outcome.COMMITTED))

    rig.events("cam-1", event("cam-1", 2, EventKind.FELL_BACK))

    assert app(rig, "cam-1").release_id is None


def test_a_late_fallback_that_arrives_after_the_hello_does_not_hide_what_it_said(rig: Rig) -> None:
    rig.device("cam-1")
    rig.release("app/1.0")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    rig.events("cam-1", outcome(row, 1, Outcome.COMMITTED))
    say_hello(rig, hello("cam-1", components=(runs("app/1.0"),)), seconds=3)

    rig.events("cam-1", event("cam-1", 2, EventKind.FELL_BACK))

    assert app(rig, "cam-1").release_id == "app/1.0"
    assert rig.device_row("cam-1").attention == "fell_back"


def test_a_hello_shows_where_an_attempt_stands(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))

    report = runs("app/1.0", state=AttemptState.PROBATION, assignment=row.id, seq=row.seq)
    say_hello(rig, hello("cam-1", components=(report,)), seconds=3)

    assert (rig.read(row).state, rig.read(row).state_at) == ("probation", later(3))


def test_what_a_device_refused_asks_for_a_person(rig: Rig) -> None:
    rig.device("cam-1")

    rig.events("cam-1", event("cam-1", 1, EventKind.SECURITY, reason="wrong_device", message="A bundle for cam-2."))

    assert rig.device_row("cam-1").attention_message == "A bundle for cam-2."


# --- a server that lost what it knew


def ordered(rig: Rig) -> Assignment:
    """cam-1 on app/1.0, of which app/1.1 is wanted."""
    rig.device("cam-1")
    for release in ("app/1.0", "app/1.1"):
        rig.release(release)
    say_hello(rig, hello("cam-1", 1, components=(runs("app/1.0"),)))
    return rig.assign("cam-1", "app/1.1")


def test_a_device_that_has_done_what_no_outcome_is_stored_of_is_asked_for_it_by_a_new_number(rig: Rig) -> None:
    """Its outcome was acknowledged by a server that was restored from a backup since: it would never say it again."""
    row = ordered(rig)

    say_hello(rig, hello("cam-1", 2, components=(runs("app/1.1", seq=row.seq),)))

    asked = rig.read(row)
    assert asked.seq > row.seq
    assert (asked.open, asked.outcome) == (True, None)
    rig.events("cam-1", outcome(asked, 1, Outcome.COMMITTED))
    assert (rig.read(row).outcome, app(rig, "cam-1").release_id) == ("committed", "app/1.1")


@pytest.mark.parametrize(
    "said",
    [
        {"release": "app/1.0"},  # it went back, or failed: it would try again
        {"release": "app/1.1", "state": AttemptState.PROBATION},
        {"release": "app/1.1", "seq": 0},  # it has not seen the order, and will answer it
    ],
)
def test_any_other_device_is_not_asked_again(rig: Rig, said: dict[str, object]) -> None:
    row = ordered(rig)

    say_hello(rig, hello("cam-1", 2, components=(runs(**{"seq": row.seq, **said}),)))  # type: ignore[arg-type]

    assert rig.read(row).seq == row.seq


def test_who_has_told_its_outcome_is_not_asked_again(rig: Rig) -> None:
    row = ordered(rig)
    rig.events("cam-1", outcome(row, 1, Outcome.COMMITTED))

    say_hello(rig, hello("cam-1", 2, components=(runs("app/1.1", seq=row.seq),)))

    assert rig.read(row).seq == row.seq
