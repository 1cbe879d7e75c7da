"""Feedback over HTTP: who may say what, and the one address without a token of its caller."""

from __future__ import annotations

import time

import pytest

from surefoot_server.access.roles import Role
from surefoot_server.db import utc_now
from surefoot_server.feedback.api import CALL_BYTES
from surefoot_server.notify import signing
from surefoot_server.rates import Rate, TokenBuckets
from tests.server.rig import NOW
from tests.server.rollouts.fleet import Fleet


@pytest.fixture
def running(fleet: Fleet) -> Fleet:
    fleet.at = (utc_now() - NOW).total_seconds()
    fleet.hellos("app/1.0", *fleet.names)
    fleet.start()
    return fleet


def test_a_flag_is_raised_listed_and_withdrawn(running: Fleet) -> None:
    client = running.rig.client(Role.OPERATOR)

    made = client.post("/api/v1/releases/app/1.1/flag", json={"reason": "mirrored"})
    listed = client.get("/api/v1/flags").json()
    gone = client.post(f"/api/v1/flags/{made.json()['id']}/withdraw", json={})

    assert (made.status_code, listed[0]["reason"], gone.json()["withdrawn_by"]) == (201, "mirrored", "operator-0")
    assert client.get("/api/v1/flags").json() == []
    assert running.rollout("r1").state == "held"


def test_a_device_is_flagged_against_what_it_runs(running: Fleet) -> None:
    made = running.rig.client(Role.OPERATOR).post("/api/v1/devices/cam-01/flag", json={"reason": "dark"})

    assert [f["release"] for f in made.json()] == ["app/1.0"]


def test_an_advisory_answers_with_what_it_stopped_and_who_runs_it(running: Fleet) -> None:
    client = running.rig.client(Role.OPERATOR)

    made = client.post("/api/v1/releases/app/1.1/advisory", json={"reason": "cve", "reference": "CVE-1"}).json()

    assert (made["stopped"], made["devices"], made["do"]) == (["r1"], [], "halt")
    assert client.get("/api/v1/advisories").json()[0]["reference"] == "CVE-1"
    assert client.post(f"/api/v1/advisories/{made['id']}/withdraw", json={}).json()["withdrawn_at"]


def test_a_hook_is_called_without_a_token_and_only_by_its_whole_address(running: Fleet) -> None:
    made = running.rig.client(Role.OPERATOR).post("/api/v1/hooks", json={"name": "g", "do": "halt", "rollout": "r1"})
    anybody = running.rig.client(None)

    wrong = anybody.post(made.json()["path"][:-2], json={})
    right = anybody.post(made.json()["path"], json={"reason": "fps", "alerts": [1, 2]})

    assert (made.status_code, wrong.status_code, right.status_code) == (201, 403, 200)
    assert right.json() == {"did": "halt", "stopped": ["r1"], "again": False}
    listed = running.rig.client(Role.ADMIN).get("/api/v1/hooks").json()
    assert (listed[0]["uses"], "path" in listed[0], "secret_hash" in listed[0]) == (1, False, False)


def test_a_viewer_says_nothing_that_stops_a_rollout(running: Fleet) -> None:
    client = running.rig.client(Role.VIEWER)

    codes = {
        client.post(path, json={"reason": "x", "name": "n", "do": "halt", "rollout": "r1"}).status_code
        for path in (
            "/api/v1/devices/cam-01/flag",
            "/api/v1/releases/app/1.1/flag",
            "/api/v1/hooks",
            "/api/v1/hooks/h/rotate",
        )
    }

    assert codes == {403}


def test_a_signed_hook_takes_the_bytes_that_were_signed_and_refuses_others_with_a_problem(running: Fleet) -> None:
    order = {"name": "ci", "do": "halt", "rollout": "r1", "signed": True}
    made = running.rig.client(Role.OPERATOR).post("/api/v1/hooks", json=order).json()
    body, at_s = b'{ "reason" : "fps", "alerts": [1] }', int(time.time())
    headers = signing.headers(made["secret"], "msg_1", at_s, body)
    anybody = running.rig.client(None)

    bare = anybody.post(made["path"], content=body)
    changed = anybody.post(made["path"], content=body + b" ", headers=headers)
    right = anybody.post(made["path"], content=body, headers=headers)
    copy = anybody.post(made["path"], content=body, headers=headers)

    assert [(a.status_code, a.json()["kind"]) for a in (bare, changed)] == [
        (403, "signature_missing"),
        (403, "signature_wrong"),
    ]
    assert {a.headers["content-type"] for a in (bare, changed)} == {"application/problem+json"}
    assert (right.json(), copy.json()["again"]) == ({"did": "halt", "stopped": ["r1"], "again": False}, True)
    rotated = running.rig.client(Role.OPERATOR).post(f"/api/v1/hooks/{made['id']}/rotate", json={"overlap_s": 60})
    assert (rotated.status_code, rotated.json()["path"]) == (201, made["path"])
    assert rotated.json()["secret"] not in ("", made["secret"])
    listed = running.rig.client(Role.OPERATOR).get("/api/v1/hooks").json()[0]
    assert (listed["signed"], "secret" in listed, "path" in listed) == (True, False, False)


def test_a_call_is_bounded_and_what_is_no_json_is_malformed(running: Fleet) -> None:
    order = {"name": "g", "do": "halt", "rollout": "r1"}
    path = running.rig.client(Role.OPERATOR).post("/api/v1/hooks", json=order).json()["path"]
    anybody = running.rig.client(None)

    answers = [
        anybody.post(path, content=b"x" * (CALL_BYTES + 1)),
        anybody.post(path, content=b"{"),
        anybody.post(path, content=b'{"reason": 7}'),
        anybody.post(path),
    ]

    assert [a.status_code for a in answers] == [413, 422, 422, 200]
    assert "body.reason" in answers[2].json()["message"]


def test_who_calls_too_often_is_told_when_to_come_back(running: Fleet) -> None:
    running.rig.state.hooks._addresses = TokenBuckets(Rate(per_s=0.01, burst=1))
    anybody = running.rig.client(None)

    answers = [anybody.post("/api/v1/hooks/sfh_x_y", json={}) for _ in range(2)]

    assert [a.status_code for a in answers] == [403, 429]
    assert int(answers[1].headers["Retry-After"]) >= 1
