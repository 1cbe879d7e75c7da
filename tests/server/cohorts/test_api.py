"""Cohorts over HTTP."""

from __future__ import annotations

from surefoot_server.access.roles import Role
from tests.server.rig import Rig

LAB = {"name": "lab", "expression": "tag('lab')"}


def test_a_cohort_is_created_listed_and_shown_with_who_belongs(rig: Rig) -> None:
    rig.device("cam-1", tags=["lab"])
    rig.device("cam-2")
    client = rig.client(Role.OPERATOR)

    made = client.post("/api/v1/cohorts", json=LAB)

    assert (made.status_code, made.json()["devices"]) == (201, 1)
    assert [c["name"] for c in client.get("/api/v1/cohorts").json()] == ["lab"]
    assert client.get("/api/v1/cohorts/lab").json()["members"] == ["cam-1"]


def test_creating_needs_an_operator(rig: Rig) -> None:
    assert rig.client(Role.VIEWER).post("/api/v1/cohorts", json=LAB).status_code == 403
    assert rig.client(None).get("/api/v1/cohorts").status_code == 401


def test_what_is_wrong_is_said_with_its_place(rig: Rig) -> None:
    client = rig.client(Role.OPERATOR)
    client.post("/api/v1/cohorts", json=LAB)

    malformed = client.post("/api/v1/cohorts", json={"name": "x", "expression": "hw ="})
    twice = client.post("/api/v1/cohorts", json=LAB)

    assert (malformed.status_code, twice.status_code) == (422, 409)
    assert "column 4" in malformed.json()["message"]
    assert client.get("/api/v1/cohorts/none").status_code == 404
