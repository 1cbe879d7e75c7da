"""What needs a person stays until it is looked at or proved to be over, and not a moment longer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from surefoot_server.devices import attention as attend
from surefoot_server.ingest import Ingest
from surefoot_shared.messages import USABLE_AGAIN, EventKind, Hello, MetadataVersions, TelemetryBatch
from surefoot_shared.status import Outcome
from tests.server.rig import Rig, event, hello, later, outcome

OLD, NEW = MetadataVersions(1, 5, 5, 5), MetadataVersions(1, 6, 5, 5)


def say(rig: Rig, said: Hello, seconds: float = 0) -> None:
    with rig.db.write() as session:
        rig.devices.hello(session, said, later(seconds))


def beat(rig: Rig, seconds: float) -> None:
    ingest = Ingest(rig.db, rig.devices, lambda *_: None, lambda: later(seconds))
    with ingest.batch() as taken:
        taken.telemetry("cam-1", [TelemetryBatch("cam-1", "s1", 1, 0, ())])


def attention(rig: Rig) -> str | None:
    return rig.device_row("cam-1").attention


@pytest.fixture
def alarmed(rig: Rig) -> Rig:
    """cam-1 was served metadata older than what it had."""
    rig.device("cam-1")
    say(rig, hello("cam-1", image=OLD, director=OLD))
    rig.events("cam-1", event("cam-1", 1, EventKind.SECURITY, reason="metadata_rollback", message="It is older."))
    assert attention(rig) == "security"
    return rig


@pytest.fixture
def copied(rig: Rig) -> Rig:
    """cam-1 exists twice."""
    rig.device("cam-1")
    for seq, instance in ((1, "left"), (1, "right"), (2, "left")):
        say(rig, hello("cam-1", seq, instance=instance, stream=instance))
    assert attention(rig) == "identity_conflict"
    return rig


def test_a_notice_about_older_metadata_is_no_alarm(rig: Rig) -> None:
    rig.device("cam-1")

    rig.events("cam-1", event("cam-1", 1, EventKind.NOTICE, reason="metadata_rollback", message="It is older."))

    assert attention(rig) is None


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("journal_unreadable", "storage"),
        ("no_space", "storage"),
        ("config_unreadable", "configuration"),
        ("config_unknown_key", "configuration"),
        ("config_invalid", "configuration"),
    ],
)
def test_what_keeps_an_agent_from_its_work_needs_attention_until_one_starts_anew_without_saying_so(
    rig: Rig, reason: str, kind: str
) -> None:
    rig.device("cam-1")
    say(rig, hello("cam-1", 1, instance="one"))

    rig.events("cam-1", event("cam-1", 1, EventKind.NOTICE, reason=reason, message="The disk is full."))
    told = rig.device_row("cam-1")
    say(rig, hello("cam-1", 2, instance="one"))
    still = attention(rig)
    say(rig, hello("cam-1", 3, instance="two"))

    assert (told.attention, told.attention_reason, told.attention_message) == (kind, reason, "The disk is full.")
    assert (still, attention(rig)) == (kind, None)


def test_a_device_that_tells_of_broken_settings_after_they_were_mended_needs_nobody(rig: Rig) -> None:
    rig.device("cam-1")
    say(rig, hello("cam-1", 1, instance="one"))

    rig.events(
        "cam-1",
        event("cam-1", 1, EventKind.NOTICE, reason="config_invalid", message="port is 0."),
        event("cam-1", 2, EventKind.NOTICE, reason=USABLE_AGAIN, message="The agent's settings can be used again."),
    )

    assert attention(rig) is None


def test_a_device_whose_own_checks_cannot_run_needs_attention_until_it_commits_again(rig: Rig) -> None:
    rig.device("cam-1")
    device = rig.device_row("cam-1")

    attend.refused(device, "no_space", "The slot is full.", later(0))
    before = device.attention
    attend.refused(device, "check_not_run", "lens.sh cannot run: it is not executable.", later(0))
    told = device.attention
    attend.committed(device)

    assert (before, told, device.attention) == (None, "checks", None)


def test_a_rollback_alarm_ends_with_the_next_proved_commit(alarmed: Rig) -> None:
    row = alarmed.assign("cam-1", alarmed.release("app/1.1"))

    alarmed.events("cam-1", outcome(row, 2, Outcome.COMMITTED))

    assert attention(alarmed) is None


@pytest.mark.parametrize("bad", [Outcome.REVERTED, Outcome.FAILED, Outcome.REFUSED])
def test_another_outcome_does_not_end_it(alarmed: Rig, bad: Outcome) -> None:
    row = alarmed.assign("cam-1", alarmed.release("app/1.1"))

    alarmed.events("cam-1", outcome(row, 2, bad, reason="metadata_untrusted"))

    assert attention(alarmed) == "security"


def test_a_rollback_alarm_ends_with_newer_metadata(alarmed: Rig) -> None:
    say(alarmed, hello("cam-1", 2, image=OLD, director=NEW))

    assert attention(alarmed) is None


@pytest.mark.parametrize("director", [OLD, MetadataVersions(1, 6, 4, 5)], ids=["same", "partly older"])
def test_metadata_that_is_not_newer_does_not_end_it(alarmed: Rig, director: MetadataVersions) -> None:
    say(alarmed, hello("cam-1", 2, image=OLD, director=director))

    assert attention(alarmed) == "security"


def test_any_other_alarm_waits_for_a_person(alarmed: Rig) -> None:
    refused = event("cam-1", 2, EventKind.SECURITY, reason="metadata_untrusted", message="Wrong signature.")
    alarmed.events("cam-1", refused)
    row = alarmed.assign("cam-1", alarmed.release("app/1.1"))

    alarmed.events("cam-1", outcome(row, 3, Outcome.COMMITTED))
    say(alarmed, hello("cam-1", 2, image=NEW, director=NEW))

    assert attention(alarmed) == "security"


HEARD: list[Callable[[Rig, float], None]] = [
    lambda rig, at: say(rig, hello("cam-1", 3, instance="left", stream="left"), at),
    beat,
]


@pytest.mark.parametrize("heard", HEARD, ids=["hello", "heartbeat"])
def test_a_conflict_is_over_once_one_agent_was_heard_alone_for_a_minute(
    copied: Rig, heard: Callable[[Rig, float], None]
) -> None:
    heard(copied, 60)

    row = copied.device_row("cam-1")
    assert (row.attention, row.attention_message, row.attention_at) == (None, "", None)


@pytest.mark.parametrize("heard", HEARD, ids=["hello", "heartbeat"])
def test_a_conflict_is_not_over_within_the_minute(copied: Rig, heard: Callable[[Rig, float], None]) -> None:
    heard(copied, 59)

    assert attention(copied) == "identity_conflict"


def test_a_conflict_that_goes_on_never_ends_by_time(copied: Rig) -> None:
    for seq, instance in ((2, "right"), (3, "left"), (3, "right")):
        say(copied, hello("cam-1", seq, instance=instance, stream=instance), seq * 100)

    assert attention(copied) == "identity_conflict"
