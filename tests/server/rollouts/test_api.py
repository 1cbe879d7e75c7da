"""Rollouts over HTTP: permissions, refusals with reasons, and the same words as everywhere."""

from __future__ import annotations

import pytest

from surefoot_server.access.roles import Role
from surefoot_server.db import utc_now
from tests.server.rig import NOW
from tests.server.rollouts.fleet import POLICY, Fleet

ORDER = {"release": "app/1.1", "cohort": "all", "policy": POLICY}


@pytest.fixture
def awake(fleet: Fleet) -> Fleet:
    """The fleet, heard of just now by the clock that routes use."""
    fleet.at = (utc_now() - NOW).total_seconds()
    fleet.hellos("app/1.0", *fleet.names)
    return fleet


def test_a_rollout_is_planned_started_and_read(awake: Fleet) -> None:
    client = awake.rig.client(Role.OPERATOR)

    planned = client.post("/api/v1/rollouts/plan", json=ORDER).json()
    made = client.post("/api/v1/rollouts", json={**ORDER, "salt": planned["salt"]})
    members = client.get("/api/v1/rollouts/r1/members").json()

    assert (made.status_code, made.json()["id"], made.json()["state"]) == (201, "r1", "running")
    canaries = {m["device"] for m in members if m["phase"] == 0}
    assert canaries == {m["device"] for m in planned["phases"][0]["members"]}
    assert client.get("/api/v1/rollouts").json()[0]["id"] == "r1"


def test_decisions_are_read_with_their_reasons_the_newest_first(awake: Fleet) -> None:
    client = awake.rig.client(Role.OPERATOR)
    client.post("/api/v1/rollouts", json=ORDER)
    client.post("/api/v1/rollouts/r1/pause", json={"reason": "lunch"})

    found = client.get("/api/v1/rollouts/r1/decisions").json()

    assert (found[0]["kind"], found[-1]["kind"]) == ("pause", "start")
    assert found[0]["reason"].endswith("lunch")


@pytest.mark.parametrize(
    ("act", "state"), [("pause", "paused"), ("halt", "halted"), ("revert", "failed"), ("cancel", "cancelled")]
)
def test_each_act_answers_with_the_new_state(awake: Fleet, act: str, state: str) -> None:
    client = awake.rig.client(Role.OPERATOR)
    client.post("/api/v1/rollouts", json=ORDER)

    answer = client.post(f"/api/v1/rollouts/r1/{act}", json={})

    assert (answer.status_code, answer.json()["state"]) == (200, state)


def test_a_viewer_may_look_and_plan_and_nothing_else(awake: Fleet) -> None:
    awake.rig.client(Role.OPERATOR).post("/api/v1/rollouts", json=ORDER)
    viewer = awake.rig.client(Role.VIEWER)

    assert viewer.get("/api/v1/rollouts/r1").status_code == 200
    assert viewer.post("/api/v1/rollouts/plan", json=ORDER).status_code == 200
    assert viewer.post("/api/v1/rollouts", json=ORDER).status_code == 403
    for act in ("pause", "resume", "halt", "revert", "cancel"):
        assert viewer.post(f"/api/v1/rollouts/r1/{act}", json={}).status_code == 403


def test_a_refused_rollout_is_409_with_the_reason_and_a_malformed_one_422(awake: Fleet) -> None:
    client = awake.rig.client(Role.OPERATOR)

    nobody = client.post("/api/v1/rollouts", json={**ORDER, "cohort": "site == 'nowhere'"})
    wrong = client.post("/api/v1/rollouts", json={**ORDER, "policy": "gate: {max_wait: 6}"})

    assert (nobody.status_code, nobody.json()["kind"]) == (409, "conflict")
    assert "No device belongs" in nobody.json()["message"]
    assert (wrong.status_code, wrong.json()["kind"]) == (422, "malformed")
    assert "line 1: gate.max_wait" in wrong.json()["message"]


def test_a_refused_start_leaves_nothing_behind(awake: Fleet) -> None:
    client = awake.rig.client(Role.OPERATOR)

    client.post("/api/v1/rollouts", json={**ORDER, "cohort": "site == 'nowhere'"})

    assert client.get("/api/v1/rollouts").json() == []


def test_an_act_out_of_state_is_409_and_an_unknown_rollout_404(awake: Fleet) -> None:
    client = awake.rig.client(Role.OPERATOR)
    client.post("/api/v1/rollouts", json=ORDER)

    assert client.post("/api/v1/rollouts/r1/resume", json={}).status_code == 409
    assert client.post("/api/v1/rollouts/r9/pause", json={}).status_code == 404
    assert client.get("/api/v1/rollouts/r9/members").status_code == 404
    assert client.get("/api/v1/rollouts/r9/decisions").status_code == 404


def test_the_audit_names_the_person_who_acted(awake: Fleet) -> None:
    client = awake.rig.client(Role.OPERATOR)
    client.post("/api/v1/rollouts", json=ORDER)

    entries = client.get("/api/v1/audit", params={"object": "rollout:r1"}).json()

    start = next(e for e in entries if e["action"] == "rollout.start")
    assert start["actor"].startswith("operator-")
    assert start["detail"]["policy"] == POLICY


def test_a_viewer_may_ask_for_a_forecast_and_gets_every_number(awake: Fleet) -> None:
    client = awake.rig.client(Role.VIEWER)

    found = client.post("/api/v1/rollouts/forecast", json={**ORDER, "runs": 2, "assumptions": "bad: {lost: 50%}"})

    assert found.status_code == 200
    body = found.json()
    assert (body["runs"], body["devices"], len(body["phases"])) == (2, 12, 2)
    assert body["missed"]["of"] == 2


def test_an_assumption_that_cannot_be_is_refused_with_its_line(awake: Fleet) -> None:
    answer = awake.rig.client(Role.VIEWER).post(
        "/api/v1/rollouts/forecast", json={**ORDER, "assumptions": "healthy: {reverts: 1%}"}
    )

    assert answer.status_code == 422
    assert "line 1: healthy.reverts" in answer.json()["message"]
