"""What the page of one device shows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from surefoot_server.console import device
from surefoot_server.telemetry import service as telemetry
from surefoot_shared.errors import NotFound
from surefoot_shared.messages import CheckReport, EventKind, RequestKind, RevertReport, Sample, TelemetryBatch
from surefoot_shared.status import AttemptState, Check, Outcome
from tests.server.rig import NOW, Rig, event, hello, outcome, progress, runs

REPORT = RevertReport(
    "camera-fps",
    "3.1 < 12",
    "ERROR stalled",
    "failed_verdict",
    checks=(CheckReport("camera-fps", True, Check.FAIL, "3.1"),),
)


@pytest.fixture
def fleet(rig: Rig) -> Rig:
    rig.device("cam-1", tags=["lab"])
    rig.release("app/1.0")
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1", components=(runs("app/1.0"),)), NOW)
    return rig


def read(rig: Rig) -> device.Page:
    with rig.db.read() as session:
        return device.read(session, "cam-1", lambda _component: None, NOW)


def test_the_slots_say_which_runs_and_which_is_the_way_back(fleet: Rig) -> None:
    (app,) = read(fleet).components

    assert [(s.name, s.role, s.state, s.release) for s in app.slots] == [
        ("A", "runs", "good", "app/1.0"),
        ("B", "empty", "empty", ""),
    ]
    assert app.runs == "app/1.0"


def test_an_attempt_tells_its_steps_in_order_and_its_report(fleet: Rig) -> None:
    row = fleet.assign("cam-1", fleet.release("app/1.1"))
    fleet.events(
        "cam-1", progress(row, 1, AttemptState.DOWNLOADING, progress=0.5), progress(row, 2, AttemptState.PROBATION)
    )
    fleet.events("cam-1", outcome(row, 3, Outcome.REVERTED, reason="health_failed", message="frozen", report=REPORT))

    (attempt,) = read(fleet).attempts

    assert [step.word for step in attempt.steps] == ["downloading", "probation", "reverted"]
    assert attempt.steps[0].progress == 0.5
    assert (attempt.word, attempt.report) == ("reverted", REPORT)


def test_a_report_in_a_form_of_nobody_hides_nothing_else(fleet: Rig) -> None:
    row = fleet.assign("cam-1", fleet.release("app/1.1"))
    with fleet.db.write() as session:
        kept = session.get(type(row), row.id)
        assert kept is not None
        kept.report = {"check": 7}

    (attempt,) = read(fleet).attempts

    assert attempt.report is None


def test_what_belongs_to_no_attempt_is_told_apart(fleet: Rig) -> None:
    fleet.events("cam-1", event("cam-1", 1, EventKind.SECURITY, reason="metadata_untrusted", message="Wrong."))

    page = read(fleet)

    assert [(step.word, step.reason) for step in page.others] == [("security", "metadata_untrusted")]
    assert page.attempts == ()


def test_a_question_without_an_answer_is_waited_for(fleet: Rig) -> None:
    assert not read(fleet).waits

    with fleet.db.write() as session:
        fleet.devices.request(session, "cam-1", RequestKind.LOGS, 10, "anna", NOW)

    assert read(fleet).waits


def test_a_metric_is_drawn_over_the_hours_that_are_asked_for(fleet: Rig) -> None:
    samples = tuple(
        Sample((NOW - timedelta(minutes=m)).strftime("%Y-%m-%dT%H:%M:%SZ"), "camera_fps", 15.0 + m)
        for m in (90, 30, 20)
    )
    with fleet.db.write() as session:
        telemetry.ingest(session, "cam-1", [TelemetryBatch("cam-1", "s1", 1, 0, samples)], NOW)

    with fleet.db.read() as session:
        hour, day = (device.drawn(session, "cam-1", "camera_fps", hours, NOW) for hours in (1, 24))
        none = device.drawn(session, "cam-1", "memory_bytes", 24, NOW)

    assert hour is not None
    assert day is not None
    assert (hour.high, day.high) == (45.0, 105.0)
    assert none is None


def test_the_metric_drawn_first_says_how_the_device_does(fleet: Rig) -> None:
    now = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    samples = (Sample(now, "node_cpu_ratio", 0.4), Sample(now, "a_own", 1.0), Sample(now, "memory_bytes", 1.0))
    with fleet.db.write() as session:
        telemetry.ingest(session, "cam-1", [TelemetryBatch("cam-1", "s1", 1, 0, samples)], NOW)

    values = read(fleet).values

    assert device.chosen(values, "") == "memory_bytes"
    assert device.chosen(values, "a_own") == "a_own"
    assert device.chosen(values, "nobody's") == "memory_bytes"
    assert device.chosen((), "") == ""


def test_a_device_of_nobody_is_not_found(rig: Rig) -> None:
    with pytest.raises(NotFound), rig.db.read() as session:
        device.read(session, "cam-9", None, NOW)
