"""Telemetry over HTTP."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from fastapi.testclient import TestClient

from surefoot_server.access.roles import Role
from surefoot_server.telemetry import service
from surefoot_shared.messages import Sample, TelemetryBatch
from tests.server.rig import Rig, digest


@pytest.fixture
def client(rig: Rig) -> TestClient:
    rig.device("cam-1")
    rig.release("app/1.1")
    now = datetime.now(timezone.utc)
    samples = (
        Sample(now.isoformat(), "camera_fps", 25.0, "app", digest("app/1.1")),
        Sample(now.isoformat(), "own_metric", 7.0),
    )
    with rig.db.write() as session:
        service.ingest(session, "cam-1", [TelemetryBatch("cam-1", "s1", 1, 0, samples)], now)
    return rig.client(Role.VIEWER)


def test_samples_come_with_the_unit_of_their_metric(client: TestClient) -> None:
    found = client.get("/api/v1/telemetry", params={"device": "cam-1"}).json()

    assert {(s["name"], s["value"], s["unit"]) for s in found} == {
        ("camera_fps", 25.0, "1/s"),
        ("own_metric", 7.0, None),
    }


def test_samples_are_cut_by_release(client: TestClient) -> None:
    found = client.get("/api/v1/telemetry", params={"release": "app/1.1"}).json()

    assert [s["name"] for s in found] == ["camera_fps"]


def test_an_unknown_release_is_not_an_empty_list(client: TestClient) -> None:
    assert client.get("/api/v1/telemetry", params={"release": "app/9.9"}).status_code == 404


def test_the_latest_values_are_one_a_series(client: TestClient) -> None:
    assert len(client.get("/api/v1/telemetry/latest", params={"device": "cam-1"}).json()) == 2


def test_samples_are_cut_by_cohort_and_an_empty_cohort_has_none(client: TestClient) -> None:
    def count(cohort: str) -> int:
        return len(client.get("/api/v1/telemetry", params={"cohort": cohort}).json())

    assert (count("site == 'hanoi'"), count("site == 'hue'"), count("all")) == (2, 0, 2)
    assert client.get("/api/v1/telemetry", params={"cohort": "ghosts"}).status_code == 404


def test_a_metric_is_summarised_by_device_for_a_cohort_and_a_release(client: TestClient) -> None:
    def summary(**more: str) -> list[dict[str, object]]:
        answer = client.get("/api/v1/telemetry/summary", params={"metric": "camera_fps", **more})
        assert answer.status_code == 200
        return answer.json()  # type: ignore[no-any-return]

    (found,) = summary(cohort="site == 'hanoi'", release="app/1.1")
    assert (found["device"], found["samples"], found["mean"]) == ("cam-1", 1, 25.0)
    assert summary(device="cam-9") == summary(cohort="site == 'hue'") == []
