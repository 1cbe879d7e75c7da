"""What devices measure, at a terminal."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from surefoot_server.telemetry import service
from surefoot_shared.messages import Sample, TelemetryBatch
from surefoot_shared.status import Outcome, SlotName
from tests.server.cli.conftest import Operator
from tests.server.rig import digest, outcome


@pytest.fixture(autouse=True)
def measured(surefoot: Operator) -> None:
    rig, now = surefoot.rig, datetime.now(timezone.utc)
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    rig.events("cam-1", outcome(row, 1, Outcome.REVERTED, reason="health_failed", message="no frames"), now=now)
    samples = (
        Sample(now.isoformat(), "camera_fps", 25.0, "app", digest("app/1.1"), SlotName.B),
        Sample(now.isoformat(), "node_uptime_s", 7.0),
    )
    with rig.db.write() as session:
        service.ingest(session, "cam-1", [TelemetryBatch("cam-1", "s1", 1, 0, samples)], now)


def test_the_newest_values_of_a_device_come_with_unit_component_and_slot(surefoot: Operator) -> None:
    said = surefoot("telemetry", "latest", "cam-1")

    assert said.code == 0
    first, second = (line.split()[:5] for line in said.out.splitlines()[1:])
    assert first == ["camera_fps", "25", "1/s", "app", "B"]
    assert second[:4] == ["node_uptime_s", "7", "s", "node"]


def test_samples_of_a_device_are_listed(surefoot: Operator) -> None:
    said = surefoot("telemetry", "samples", "cam-1", "camera_fps")

    assert [line.split()[1:] for line in said.out.splitlines()[1:]] == [["25", "1/s", "app", "B"]]
    assert surefoot("telemetry", "samples", "cam-1", "camera_fps", "--release", "app/9").code == 3


def test_a_metric_is_compared_between_the_devices_of_a_cohort(surefoot: Operator) -> None:
    said = surefoot("telemetry", "compare", "camera_fps", "--cohort", "site == 'hanoi'", "--release", "app/1.1")
    nobody = surefoot("telemetry", "compare", "camera_fps", "--cohort", "site == 'hue'")

    assert said.out.splitlines()[1].split()[:4] == ["cam-1", "1", "25", "25"]
    assert (nobody.code, len(nobody.out.splitlines())) == (0, 1)
    assert surefoot("telemetry", "compare", "camera_fps", "--release", "app/9.9").code == 3


def test_failures_are_grouped_by_kind_and_release(surefoot: Operator) -> None:
    said = surefoot("telemetry", "errors", "--release", "app/1.1")

    assert said.out.splitlines()[1].split()[:4] == ["app/1.1", "health_failed", "reverted", "1"]
    assert "no frames" in said.out
