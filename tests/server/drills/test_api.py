"""Drills over HTTP."""

from __future__ import annotations

from surefoot_server.access.roles import Role
from tests.server.rollouts.fleet import Fleet


def test_a_drill_without_devices_is_refused_with_the_reason(fleet: Fleet) -> None:
    answer = fleet.rig.client(Role.OPERATOR).post("/api/v1/drills", json={"cohort": "all"})

    assert answer.status_code == 409
    assert "no earlier release of it is known" in answer.json()["message"]


def test_a_schedule_is_made_listed_and_stopped(fleet: Fleet) -> None:
    client = fleet.rig.client(Role.OPERATOR)

    made = client.post("/api/v1/drills/schedules", json={"every_s": 604800})
    stopped = client.post(f"/api/v1/drills/schedules/{made.json()['id']}/stop", json={})

    assert (made.status_code, made.json()["cohort"]) == (201, "tag('lab')")
    assert stopped.json()["stopped_at"] is not None
    assert len(client.get("/api/v1/drills/schedules").json()) == 1
    assert client.get("/api/v1/drills").json() == []
    assert client.get("/api/v1/drills/d1").status_code == 404
