"""Enrolment as nodes and operators see it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from surefoot_server import db
from surefoot_server.access.roles import Role
from surefoot_server.app import create_device_app
from surefoot_server.audit import service as audit
from surefoot_server.enrolment.attempts import Attempts
from surefoot_server.enrolment.service import TokenWish
from surefoot_server.rates import Rate
from tests.server.enrolment.asking import Node, make_token, token_id
from tests.server.rig import Rig

TOKENS, ENROL = "/api/v1/enrol-tokens", "/api/v1/enrol"


def limited(rig: Rig, attempts: Attempts) -> TestClient:
    """A client of a server that counts with `attempts`."""
    app = create_device_app(replace(rig.state, enrolling=attempts))
    return TestClient(app, raise_server_exceptions=False)


def now_token(rig: Rig, wish: TokenWish | None = None) -> str:
    return make_token(rig, wish, db.utc_now())


def body(node: Node, token: str, **more: Any) -> dict[str, Any]:
    asked = node.request(token)
    return {"device": asked.device, "hw": asked.hw, "token": asked.token, "csr": asked.csr, "v": 1, **more}


def test_a_node_is_answered_with_its_certificate_and_the_brokers_address(rig: Rig) -> None:
    answer = rig.device_client().post(ENROL, json=body(Node(rig), now_token(rig)))

    assert answer.status_code == 201
    assert answer.json()["mqtt"] == {"host": "localhost", "port": 8883, "protocol": 5}
    assert answer.json()["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert answer.json()["v"] == 1


def test_a_node_that_must_wait_is_answered_accepted(rig: Rig) -> None:
    answer = rig.device_client().post(ENROL, json=body(Node(rig), now_token(rig, TokenWish())))

    assert (answer.status_code, answer.json()) == (202, {"device": "cam-1", "state": "pending", "v": 1})


def test_a_refusal_is_a_problem_with_kind_message_and_hint(rig: Rig) -> None:
    answer = rig.device_client().post(ENROL, json=body(Node(rig), "sfe_unknown_token"))

    assert answer.status_code == 403
    assert answer.json()["kind"] == "enrolment_refused"
    assert answer.json()["message"]
    assert answer.json()["hint"]


def test_a_refusal_is_audited_once_an_hour_for_its_address_and_without_the_token(rig: Rig) -> None:
    for n in range(3):
        rig.device_client().post(ENROL, json=body(Node(rig), f"sfe_unknown_token{n}"))

    with rig.db.read() as session:
        found = [e for e in audit.entries(session) if e.action == "enrolment.refused"]
    assert [(e.object, e.detail["device"]) for e in found] == [("address:testclient", "cam-1")]
    assert "sfe_" not in str(found[0].detail)


def test_one_name_is_limited_whatever_addresses_ask_for_it(rig: Rig) -> None:
    client = limited(rig, Attempts(names=Rate(per_s=0.1, burst=2)))
    asked = body(Node(rig), "sfe_unknown_token")

    answers = [client.post(ENROL, json=asked) for _ in range(3)]

    assert [a.status_code for a in answers] == [403, 403, 503]
    assert int(answers[-1].headers["retry-after"]) >= 1
    with rig.db.read() as session:
        assert [e.action for e in audit.entries(session, limit=1)] == ["enrolment.limited"]


@pytest.mark.parametrize(
    "change", [{"v": 2}, {"csr": ""}, {"csr": "x" * 9000}, {"hw": "A B"}, {"device": "a/b"}, {"token": "x" * 200}]
)
def test_a_malformed_request_is_422(rig: Rig, change: dict[str, Any]) -> None:
    answer = rig.device_client().post(ENROL, json=body(Node(rig), now_token(rig)) | change)

    assert (answer.status_code, answer.json()["kind"]) == (422, "malformed")


def test_fields_that_a_newer_node_sends_are_ignored(rig: Rig) -> None:
    answer = rig.device_client().post(ENROL, json=body(Node(rig), now_token(rig), tpm_quote="AAAA"))

    assert answer.status_code == 201


def test_an_address_that_asks_without_end_is_told_to_wait(rig: Rig) -> None:
    client = limited(rig, Attempts(addresses=Rate(per_s=0.1, burst=3)))

    answers = [client.post(ENROL, json=body(Node(rig), "guess")) for _ in range(4)]

    assert [a.status_code for a in answers] == [403, 403, 403, 503]
    assert answers[-1].json()["kind"] == "busy"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 10


def test_the_devices_listener_serves_no_operator_route_of_enrolment(rig: Rig) -> None:
    client = rig.device_client()
    client.headers["Authorization"] = f"Bearer {rig.token(Role.ADMIN)}"

    assert client.post(TOKENS, json={}).status_code == 404
    assert client.get("/api/v1/enrolments").status_code == 404
    assert rig.client().post(ENROL, json={}).status_code in (404, 405)


def test_an_operator_makes_a_token_whose_text_is_shown_once(rig: Rig) -> None:
    client = rig.client(Role.OPERATOR)

    made = client.post(
        TOKENS, json={"max_uses": 12, "auto_approve": True, "tags": ["lab"], "attributes": {"site": "x"}}
    )

    assert made.status_code == 201
    assert made.json()["token"].startswith(f"sfe_{made.json()['id']}_")
    [listed] = client.get(TOKENS).json()
    assert (listed["id"], listed["max_uses"], listed["uses"]) == (made.json()["id"], 12, 0)
    assert "token" not in listed
    assert "secret_hash" not in listed


def test_a_token_made_over_http_lets_a_node_in(rig: Rig) -> None:
    made = rig.client(Role.OPERATOR).post(TOKENS, json={"auto_approve": True}).json()

    answer = rig.device_client().post(ENROL, json=body(Node(rig), made["token"]))

    assert answer.status_code == 201


@pytest.mark.parametrize(
    "wrong",
    [{"valid_s": 0}, {"valid_s": 1e12}, {"max_uses": 0}, {"max_uses": 10**9}, {"device": "a/b"}, {"replace": True}],
)
def test_a_token_that_makes_no_sense_is_422(rig: Rig, wrong: dict[str, Any]) -> None:
    assert rig.client(Role.ADMIN).post(TOKENS, json=wrong).status_code == 422


def test_only_an_administrator_lets_a_device_come_back_with_a_new_key(rig: Rig) -> None:
    wish = {"device": "cam-1", "replace": True}

    assert rig.client(Role.OPERATOR).post(TOKENS, json=wish).status_code == 403
    assert rig.client(Role.RELEASER).post(TOKENS, json=wish).status_code == 403
    assert rig.client(Role.ADMIN).post(TOKENS, json=wish).status_code == 201


def test_a_viewer_sees_who_waits_and_may_not_decide(rig: Rig) -> None:
    Node(rig).ask(make_token(rig, TokenWish()))
    viewer = rig.client(Role.VIEWER)

    [waiting] = viewer.get("/api/v1/enrolments", params={"state": "pending"}).json()

    assert (waiting["device"], waiting["hw"], waiting["state"]) == ("cam-1", "rpi5", "pending")
    assert len(waiting["fingerprint"]) == 64
    assert viewer.post("/api/v1/enrolments/cam-1/approve").status_code == 403
    assert viewer.get(TOKENS).status_code == 403


def test_an_operator_approves_and_refuses(rig: Rig) -> None:
    token, client = make_token(rig, TokenWish(max_uses=2)), rig.client(Role.OPERATOR)
    Node(rig, "cam-1").ask(token)
    Node(rig, "cam-2").ask(token)

    approved = client.post("/api/v1/enrolments/cam-1/approve")
    refused = client.post("/api/v1/enrolments/cam-2/refuse")

    assert (approved.status_code, approved.json()["state"]) == (200, "approved")
    assert (refused.status_code, refused.json()["state"]) == (200, "refused")
    assert client.post("/api/v1/enrolments/cam-2/approve").status_code == 409
    assert client.post("/api/v1/enrolments/cam-9/approve").status_code == 404


def test_a_revoked_token_is_shown_as_such(rig: Rig) -> None:
    token, client = make_token(rig), rig.client(Role.OPERATOR)

    answer = client.delete(f"{TOKENS}/{token_id(token)}")

    assert answer.json()["revoked_at"] is not None
    assert client.delete(f"{TOKENS}/nothing").status_code == 404


def test_without_a_token_of_their_own_nobody_operates(rig: Rig) -> None:
    client = rig.client(None)

    assert client.post(TOKENS, json={}).status_code == 401
    assert client.get("/api/v1/enrolments").status_code == 401
