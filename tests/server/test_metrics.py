"""What monitoring reads."""

from __future__ import annotations

import dataclasses

import pytest
from prometheus_client.parser import text_string_to_metric_families

from surefoot_server.metrics import LABELS, MEANINGS
from surefoot_shared.status import Outcome
from tests.server.rig import NOW, Rig, hello, outcome, runs


def values(rig: Rig) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = rig.client(None).get("/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_fleet_is_counted_by_presence_release_and_outcome(rig: Rig) -> None:
    rig.release("app/1.0")
    for name in ("cam-1", "cam-2"):
        rig.device(name)
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1", components=(runs("app/1.0"),)), NOW)
    row = rig.assign("cam-2", rig.release("app/1.1"))
    rig.events("cam-2", outcome(row, 1, Outcome.REVERTED))

    found = values(rig)

    assert found["surefoot_devices", (("presence", "online"),)] == 1
    assert found["surefoot_devices", (("presence", "offline"),)] == 1
    labels = (("component", "app"), ("release", "app/1.0"), ("state", "idle"))
    assert found["surefoot_devices_running", labels] == 1
    assert found["surefoot_outcomes_total", (("outcome", "reverted"),)] == 1
    assert found["surefoot_outcomes_total", (("outcome", "committed"),)] == 0
    assert found["surefoot_rollouts", (("state", "running"),)] == 0


def test_the_servers_own_figures_are_there(rig: Rig) -> None:
    counters = {name: {"x": 2.0} if name in LABELS else 3.0 for name in MEANINGS}
    rig.state = dataclasses.replace(rig.state, counters=lambda: counters)

    found = values(rig)

    assert found["surefoot_ingest_queue", ()] == 3.0
    assert found["surefoot_dropped_messages_total", (("reason", "x"),)] == 2.0


def test_what_a_device_chose_is_no_label(rig: Rig) -> None:
    rig.device("cam-1")
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1", agent='"} evil 1', components=(runs("app/x"),)), NOW)

    text = rig.client(None).get("/metrics").text

    assert "evil" not in text
    assert 'release="unknown"' in text


def test_a_server_that_works_is_healthy(rig: Rig) -> None:
    answer = rig.client(None).get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"ok": True, "problems": [], "warnings": []})


def test_a_server_whose_part_is_down_says_which(rig: Rig) -> None:
    rig.state = dataclasses.replace(rig.state, problems=lambda: ["The broker is away.", ""])

    answer = rig.client(None).get("/healthz")

    assert (answer.status_code, answer.json()["problems"]) == (503, ["The broker is away."])


def test_a_database_that_is_gone_is_unhealthy(rig: Rig) -> None:
    client = rig.client(None)
    rig.db.dispose()
    for path in rig.state.settings.data_dir.glob("surefoot.db*"):
        path.unlink()
    rig.state.settings.data_dir.joinpath("surefoot.db").mkdir()

    answer = client.get("/healthz")

    assert answer.status_code == 503
    assert "database" in answer.json()["problems"][0]


def test_a_server_without_room_is_unhealthy_and_says_so(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig.db, "failed_for_space", lambda: True)

    answer = rig.client(None).get("/healthz")

    assert answer.status_code == 503
    assert "no room" in answer.json()["problems"][0]
