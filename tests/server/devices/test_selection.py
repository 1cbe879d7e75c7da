"""Many devices at once over HTTP."""

from __future__ import annotations

import pytest

from surefoot_server.access.roles import Role
from tests.server.rig import Rig


@pytest.fixture
def fleet(rig: Rig) -> Rig:
    rig.device("cam-1", tags=["lab"])
    rig.device("cam-2", hw="jetson-orin")
    return rig


def test_the_tally_counts_who_is_meant(fleet: Rig) -> None:
    client = fleet.client(Role.VIEWER)

    assert client.get("/api/v1/selection").json() == {"devices": 2, "online": 0, "attention": 0}
    assert client.get("/api/v1/selection", params={"q": "cam", "cohort": "tag('lab')"}).json()["devices"] == 1
    assert client.get("/api/v1/selection", params={"is": "online"}).json()["devices"] == 0
    assert client.get("/api/v1/selection", params={"is": "sleepy"}).status_code == 422


def test_the_list_takes_the_same_three_questions(fleet: Rig) -> None:
    client = fleet.client(Role.VIEWER)

    found = client.get("/api/v1/devices", params={"q": "cam", "cohort": "hw == 'jetson-orin'", "is": "offline"})

    assert [device["id"] for device in found.json()] == ["cam-2"]


def test_an_operator_tags_many_devices_at_once(fleet: Rig) -> None:
    client = fleet.client(Role.OPERATOR)

    done = client.post("/api/v1/selection/tags", json={"q": "cam", "add": ["canary"], "devices": 2})

    assert done.json() == {"devices": 2, "added": 2, "removed": 0}
    assert client.get("/api/v1/devices/cam-2").json()["tags"] == ["canary"]


def test_a_number_that_is_not_true_any_more_is_a_conflict(fleet: Rig) -> None:
    refused = fleet.client(Role.OPERATOR).post(
        "/api/v1/selection/tags", json={"is": "offline", "add": ["x"], "devices": 1}
    )

    assert (refused.status_code, refused.json()["kind"]) == (409, "conflict")
