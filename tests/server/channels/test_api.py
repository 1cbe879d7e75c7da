"""Channels over HTTP: who may do what, and promotion with a rollout."""

from __future__ import annotations

import pytest

from surefoot_server.access.roles import Role
from surefoot_server.db import utc_now
from tests.server.rig import NOW
from tests.server.rollouts.fleet import Fleet
from tests.server.rollouts.pairs import with_models


@pytest.fixture
def awake(fleet: Fleet) -> Fleet:
    fleet.at = (utc_now() - NOW).total_seconds()
    fleet.hellos("app/1.0", *fleet.names)
    return fleet


def test_a_release_goes_into_the_first_channel_and_its_rollout_follows_the_channels_policy(awake: Fleet) -> None:
    client = awake.rig.client(Role.ADMIN)
    body = {"name": "dev", "cohort": "hw == 'rpi5'", "policy": "phases: [{percent: 100, bake: 5m}]"}

    made = client.post("/api/v1/channels", json=body)
    promoted = client.post("/api/v1/channels/dev/promote", json={"release": "app/1.1", "start": True})

    assert (made.status_code, promoted.status_code, promoted.json()["rollout"]) == (201, 201, "r1")
    assert (awake.rollout("r1").cohort, len(awake.members("r1"))) == ("hw == 'rpi5'", 4)
    assert client.get("/api/v1/channels/dev").json()["entries"][0]["release"] == "app/1.1"


def test_a_set_is_promoted_and_rolled_out_as_one_or_not_at_all(awake: Fleet) -> None:
    with_models(awake)
    client = awake.rig.client(Role.ADMIN)
    policy = "rollout: {strategy: shadow}"
    for name, document in (("dev", ""), ("looking", policy)):
        client.post("/api/v1/channels", json={"name": name, "cohort": "hw == 'rpi5'", "policy": document})
    body = {"release": "app/1.1", "also": ["model/2.0"], "start": True}

    refused = client.post("/api/v1/channels/looking/promote", json=body)
    promoted = client.post("/api/v1/channels/dev/promote", json=body)

    assert (refused.status_code, client.get("/api/v1/channels/looking").json()["entries"]) == (409, [])
    assert (promoted.status_code, promoted.json()["also"]) == (201, ["model/2.0"])
    assert awake.rollout(promoted.json()["rollout"]).releases == ["app/1.1", "model/2.0"]
    there = client.get("/api/v1/channels/dev").json()["entries"]
    assert {entry["release"] for entry in there} == {"app/1.1", "model/2.0"}


def test_readiness_is_told_to_anyone_and_a_lack_is_409(awake: Fleet) -> None:
    admin = awake.rig.client(Role.ADMIN)
    admin.post("/api/v1/channels", json={"name": "dev", "cohort": "all"})
    admin.post("/api/v1/channels", json={"name": "production", "after": "dev", "cohort": "all"})

    told = awake.rig.client(Role.VIEWER).get("/api/v1/channels/production/ready", params={"release": "app/1.1"})
    refused = admin.post("/api/v1/channels/production/promote", json={"release": "app/1.1"})

    assert {a["requirement"]: a["met"] for a in told.json()} == {
        "nothing stands against it": True,
        "identical digests": False,
        "baked": False,
    }
    assert refused.status_code == 409


def test_reports_and_notes_answer(awake: Fleet) -> None:
    admin = awake.rig.client(Role.ADMIN)
    admin.post("/api/v1/channels", json={"name": "dev", "cohort": "all"})
    admin.post("/api/v1/channels/dev/promote", json={"release": "app/1.1"})

    noted = admin.post("/api/v1/channels/dev/note", json={"release": "app/1.1", "note": "fine"})

    assert noted.json()[0]["requirement"].startswith("acceptance admin")
    assert admin.get("/api/v1/channels/parity").json()[0]["others"] == {"app/1.0": 12}
    assert "app/1.0" in {f["release"] for f in admin.get("/api/v1/channels/cleanup").json()}
    assert [c["name"] for c in admin.get("/api/v1/channels").json()] == ["dev"]
