"""An alarm is recorded once for each step, stands where people look, and makes the server unwell only at the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from surefoot_server.audit import service as audit
from surefoot_server.keys.alarms import ACTION, KeyAlarms
from surefoot_server.keys.expiry import alarms
from tests.server.keys.fleet import NOW
from tests.server.rig import Rig

FILES = {"image root 1": NOW + timedelta(days=365), "image rel-app 1": NOW + timedelta(days=180)}


@pytest.fixture
def made(rig: Rig) -> KeyAlarms:
    return KeyAlarms(rig.db, lambda: FILES)


def at(days: float) -> datetime:
    return NOW + timedelta(days=days)


def said(rig: Rig) -> list[tuple[str, object]]:
    with rig.db.read() as session:
        rows = [row for row in audit.entries(session) if row.action == ACTION]
    return [(row.object, row.detail["step"]) for row in reversed(rows)]


def test_each_step_is_recorded_once_however_often_it_is_checked(rig: Rig, made: KeyAlarms) -> None:
    for day in range(400):
        made.check(at(day))

    assert said(rig) == [
        ("image rel-app 1", 90),
        ("image rel-app 1", 30),
        ("image rel-app 1", 7),
        ("image rel-app 1", 0),
        ("image root 1", 90),
        ("image root 1", 30),
        ("image root 1", 7),
        ("image root 1", 0),
    ]


def test_a_restart_says_nothing_twice(rig: Rig, made: KeyAlarms) -> None:
    made.check(at(100))

    assert KeyAlarms(rig.db, lambda: FILES).check(at(101)) == ()


def test_a_server_that_was_off_says_only_what_is_true_now(rig: Rig, made: KeyAlarms) -> None:
    made.check(at(176))

    assert said(rig) == [("image rel-app 1", 7)]


def test_a_file_that_was_signed_again_starts_anew(rig: Rig) -> None:
    files = dict(FILES)
    made = KeyAlarms(rig.db, lambda: files)
    made.check(at(100))
    del files["image rel-app 1"]
    files["image rel-app 2"] = at(101 + 180)
    assert made.warnings(at(101)) == []

    made.check(at(200))

    assert said(rig) == [("image rel-app 1", 90), ("image rel-app 2", 90)]


def test_the_audit_trail_stays_whole(rig: Rig, made: KeyAlarms) -> None:
    made.check(at(100))

    with rig.db.read() as session:
        assert audit.verify(session).whole


def test_before_the_end_it_is_a_warning_and_afterwards_a_problem(made: KeyAlarms) -> None:
    assert made.warnings(at(0)) == made.problems(at(0)) == []
    assert len(made.warnings(at(170))) == 1
    assert made.problems(at(170)) == []
    assert made.problems(at(181)) == made.warnings(at(181))


def test_days_left_are_told_by_file_without_its_version(made: KeyAlarms) -> None:
    assert made.days_left(at(1)) == {"image root": 364, "image rel-app": 179}


def test_healthz_metrics_and_console_show_what_stands(rig: Rig) -> None:
    now = max(rig.state.online.expiring().values()) - timedelta(days=20)
    made = KeyAlarms(rig.db, rig.state.online.expiring)
    soon = replace(
        rig.state,
        problems=lambda: made.problems(now - timedelta(days=200)),
        warnings=lambda: made.warnings(now),
        counters=lambda: {"metadata_days_left": made.days_left(now)},
    )
    client = Rig(soon, rig.said, rig.dirty, rig.keys).client()

    health = client.get("/healthz")
    metrics = client.get("/metrics").text

    assert health.status_code == 200
    assert len(health.json()["warnings"]) == len(alarms(rig.state.online.expiring(), now)) == 4
    assert 'surefoot_metadata_days_left{file="image root"} 20.0' in metrics
    client.post("/sign-in", data={"token": client.headers.pop("Authorization").removeprefix("Bearer ")})
    assert "surefoot keys renew root" in client.get("/").text
