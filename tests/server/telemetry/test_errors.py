"""Errors grouped by kind and release, a device once in each."""

from __future__ import annotations

from fastapi.testclient import TestClient

from surefoot_server.telemetry import errors
from surefoot_shared.status import Outcome
from tests.server.rig import NOW, Rig, later, outcome


def fail(rig: Rig, device: str, seq: int, kind: str, at_s: float = 0, release: str = "app/1.1") -> None:
    row = rig.assign(device, release)
    said = outcome(row, seq, Outcome.REVERTED, reason=kind, message=f"{device} says {kind}")
    rig.events(device, said, now=later(at_s))


def test_a_device_counts_once_in_a_group_and_the_newest_is_its_example(rig: Rig) -> None:
    rig.release("app/1.1")
    for device in ("cam-1", "cam-2", "cam-3"):
        rig.device(device)
    fail(rig, "cam-1", 1, "health_failed")
    fail(rig, "cam-1", 2, "health_failed", 10)
    fail(rig, "cam-2", 1, "health_failed", 20)
    fail(rig, "cam-3", 1, "boot_failed", 5)

    with rig.db.read() as session:
        first, second = errors.groups(session, NOW)
        assert errors.groups(session, later(100)) == errors.groups(session, NOW, "app/9.9") == []

    assert (first.release, first.kind, first.outcome, first.devices) == ("app/1.1", "health_failed", "reverted", 2)
    assert (first.last_at, first.example) == (later(20), "cam-2 says health_failed")
    assert (second.kind, second.devices, second.example_device) == ("boot_failed", 1, "cam-3")


def test_the_api_serves_them(rig: Rig) -> None:
    rig.release("app/1.1")
    rig.device("cam-1")
    fail(rig, "cam-1", 1, "health_failed")
    client: TestClient = rig.client()

    found = client.get("/api/v1/telemetry/errors", params={"since_s": 31_536_000}).json()

    assert [(g["kind"], g["devices"]) for g in found] == [("health_failed", 1)]
