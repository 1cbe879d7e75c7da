"""What the gateway hands in is stored once and acknowledged after the commit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import select

from surefoot_server.audit import service as audit
from surefoot_server.devices import letters
from surefoot_server.devices.models import DeviceEvent
from surefoot_server.ingest import Ingest
from surefoot_server.intake import DeadLetter
from surefoot_server.telemetry.models import TelemetrySample
from surefoot_shared.errors import Unreachable
from surefoot_shared.identity import public_to_pem
from surefoot_shared.messages import Ack, PresenceMessage, Response, Sample, TelemetryBatch
from surefoot_shared.status import AttemptState, Outcome, Presence
from tests.server.rig import NOW, Rig, event, hello, later, outcome, progress


class Answers:
    """Remembers what would be answered after each commit."""

    def __init__(self) -> None:
        self.acks: list[tuple[str, Ack]] = []
        self.leases: list[str] = []

    def __call__(self, acks: Sequence[tuple[str, Ack]], leases: Iterable[str]) -> None:
        self.acks += acks
        self.leases += leases


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def ingest(rig: Rig, answers: Answers) -> Ingest:
    rig.device("cam-1")
    return Ingest(rig.db, rig.devices, answers, lambda: later(1))


def batch(number: int, *values: float, stream: str = "s1", dropped: int = 0) -> TelemetryBatch:
    samples = tuple(Sample(NOW.isoformat(), "camera_fps", value, "app") for value in values)
    return TelemetryBatch("cam-1", stream, number, dropped, samples)


def test_a_batch_of_everything_is_stored_and_acknowledged_once(rig: Rig, ingest: Ingest, answers: Answers) -> None:
    with ingest.batch() as taken:
        taken.hello(hello("cam-1"))
        taken.events("cam-1", [event("cam-1", 1), event("cam-1", 2)])
        taken.telemetry("cam-1", [batch(1, 25.0), batch(2, 24.0)])
        assert answers.acks == []

    assert answers.acks == [("cam-1", Ack("s1", 2, 2))]
    assert rig.dirty[-1] == "cam-1"
    assert rig.device_row("cam-1").last_seen_at == later(1)


def test_nothing_is_acknowledged_where_the_transaction_failed(rig: Rig, ingest: Ingest, answers: Answers) -> None:
    def fail() -> None:
        with ingest.batch() as taken:
            taken.events("cam-1", [event("cam-1", 1)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert answers.acks == []
    with rig.db.read() as session:
        assert session.exec(select(DeviceEvent)).all() == []


def test_everything_twice_changes_nothing(rig: Rig, ingest: Ingest, answers: Answers) -> None:
    row = rig.assign("cam-1", rig.release("app/1.1"))

    for _ in range(2):
        with ingest.batch() as taken:
            taken.events("cam-1", [outcome(row, 1, Outcome.COMMITTED)])
            taken.telemetry("cam-1", [batch(1, 25.0)])

    with rig.db.read() as session:
        assert len(session.exec(select(DeviceEvent)).all()) == 1
        assert len(session.exec(select(TelemetrySample)).all()) == 1
    assert answers.acks == [("cam-1", Ack("s1", 1, 1))] * 2


def test_a_database_that_is_away_is_a_reason_to_try_again(ingest: Ingest) -> None:
    def fail() -> None:
        with ingest.batch():
            raise OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))

    with pytest.raises(Unreachable) as refused:
        fail()

    assert refused.value.retry_after_s


def test_a_replayed_hello_is_counted_and_not_answered(rig: Rig, ingest: Ingest, answers: Answers) -> None:
    with ingest.batch() as taken:
        taken.hello(hello("cam-1", 2))
    answers.acks.clear()
    rig.dirty.clear()

    with ingest.batch() as taken:
        taken.hello(hello("cam-1", 2))

    assert ingest.dropped() == {"replayed_hello": 1}
    assert (answers.acks, rig.dirty) == ([], [])


def test_what_is_put_aside_is_kept_and_audited_where_the_device_is_known(rig: Rig, ingest: Ingest) -> None:
    for device in ("cam-1", "ghost"):
        letter = DeadLetter(f"surefoot/v1/d/{device}/up/events", "0" * 64, b"junk", "The event is not signed.")
        ingest.put_aside(letter)
        ingest.put_aside(letter)

    with rig.db.read() as session:
        assert [letters.of_device(session, device)[0].count for device in ("cam-1", "ghost")] == [2, 2]
        told = [(row.action, row.object) for row in audit.entries(session)]
    assert told.count(("message.refused", "device:cam-1")) == 1
    assert ("message.refused", "device:ghost") not in told


def test_a_letter_is_lost_rather_than_the_worker_while_the_database_is_away(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))

    monkeypatch.setattr(letters, "keep", away)

    ingest.put_aside(DeadLetter("surefoot/v1/d/cam-1/up/events", "0" * 64, b"junk", "It is not signed."))

    assert "dead_letter_lost" in caplog.text


def test_two_agents_with_one_identity_are_counted_and_both_answered(ingest: Ingest, answers: Answers) -> None:
    with ingest.batch() as taken:
        taken.hello(hello("cam-1", 1, instance="a"))
        taken.hello(hello("cam-1", 2, instance="b"))
        taken.hello(hello("cam-1", 3, instance="a"))

    assert ingest.dropped() == {"identity_conflict": 1}
    assert len(answers.acks) == 1


def test_what_unknown_devices_say_is_dropped_and_the_rest_stored(rig: Rig, ingest: Ingest) -> None:
    with ingest.batch() as taken:
        taken.hello(hello("ghost"))
        taken.events("ghost", [event("ghost", 1)])
        taken.telemetry("ghost", [])
        taken.presence("ghost", PresenceMessage(Presence.ONLINE, "i"))
        taken.response("ghost", Response("r", True, ""))
        taken.events("cam-1", [event("cam-1", 1)])

    assert ingest.dropped() == {"unknown_device": 5}
    with rig.db.read() as session:
        assert [row.device_id for row in session.exec(select(DeviceEvent))] == ["cam-1"]


def test_what_a_revoked_device_says_is_dropped(rig: Rig, ingest: Ingest) -> None:
    with rig.db.write() as session:
        rig.devices.revoke(session, "cam-1", "admin", NOW)

    with ingest.batch() as taken:
        taken.hello(hello("cam-1"))

    assert ingest.public_keys("cam-1") == ()
    assert ingest.dropped() == {"revoked": 2}


def test_a_device_that_has_yet_to_download_is_given_leave(rig: Rig, ingest: Ingest, answers: Answers) -> None:
    row = rig.assign("cam-1", rig.release("app/1.1"))

    with ingest.batch() as taken:
        taken.events("cam-1", [progress(row, 1, AttemptState.DOWNLOADING)])
    with ingest.batch() as taken:
        taken.events("cam-1", [progress(row, 2, AttemptState.PROBATION)])

    assert answers.leases == ["cam-1"]


def test_keys_are_read_once_and_anew_after_enrolment(rig: Rig, ingest: Ingest) -> None:
    (first,) = ingest.public_keys("cam-1")
    assert ingest.public_keys("cam-1")[0] is first

    rig.device("cam-1")

    (second,) = ingest.public_keys("cam-1")
    assert public_to_pem(second).decode() == rig.device_row("cam-1").public_key
    assert public_to_pem(first) != public_to_pem(second)


def test_an_unknown_device_has_no_key(ingest: Ingest) -> None:
    assert ingest.public_keys("ghost") == ()
    assert ingest.dropped() == {"unknown_device": 1}


def test_a_key_that_cannot_be_read_is_no_key(rig: Rig, ingest: Ingest) -> None:
    with rig.db.write() as session:
        rig.devices.register(session, "cam-2", "rpi5", "rubbish", NOW)

    assert ingest.public_keys("cam-2") == ()


@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "in two batches"])
def test_events_that_were_left_out_after_a_hello_are_not_acknowledged_by_later_ones(
    ingest: Ingest, answers: Answers, at_once: bool
) -> None:
    """A hole right below the first events after a hello counts as one that nothing can fill: here something can."""
    with ingest.batch() as taken:
        taken.events("cam-1", [event("cam-1", 1)])
    with ingest.batch() as taken:
        taken.cut("cam-1")  # 2 and 3, beyond its rate
        taken.hello(hello("cam-1"))
        if at_once:
            taken.events("cam-1", [event("cam-1", 4)])
    if not at_once:
        with ingest.batch() as taken:
            taken.events("cam-1", [event("cam-1", 4)])

    assert answers.acks[-1] == ("cam-1", Ack("s1", 1, 0))
    with ingest.batch() as taken:
        taken.events("cam-1", [event("cam-1", n) for n in (2, 3, 4)])
    assert answers.acks[-1] == ("cam-1", Ack("s1", 4, 0))
