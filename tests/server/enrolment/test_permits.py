"""Who may register keys and factories, over HTTP."""

from __future__ import annotations

import pytest

from surefoot_server.access.roles import Role
from surefoot_server.enrolment.ways import fingerprint_of
from tests.server.enrolment.asking import Node
from tests.server.pki.factory import maker
from tests.server.rig import Rig

KEY = "ab" * 32


def test_an_operator_registers_a_key_and_sees_it_listed(rig: Rig) -> None:
    client = rig.client(Role.OPERATOR)

    made = client.post("/api/v1/preauthorised", json={"device": "cam-1", "key_sha256": KEY, "tags": ["lab"]})

    assert made.status_code == 201
    assert [row["key_sha256"] for row in client.get("/api/v1/preauthorised").json()] == [KEY]


def test_a_key_for_a_device_that_exists_is_a_conflict(rig: Rig) -> None:
    rig.device("cam-1")

    answer = rig.client().post("/api/v1/preauthorised", json={"device": "cam-1", "key_sha256": KEY})

    assert (answer.status_code, answer.json()["kind"]) == (409, "conflict")


def test_an_administrator_registers_a_factory_and_removes_it(rig: Rig) -> None:
    client, acme = rig.client(), maker(days=36500)

    made = client.post("/api/v1/factory-cas", json={"name": "Acme", "certificate": acme.pem.decode()})
    listed = client.get("/api/v1/factory-cas").json()
    gone = client.delete(f"/api/v1/factory-cas/{made.json()['id']}")

    assert (made.status_code, [row["name"] for row in listed], listed[0]["auto_approve"]) == (201, ["Acme"], False)
    assert gone.json()["revoked_at"] is not None
    assert client.get("/api/v1/factory-cas").json() == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.RELEASER])
def test_nobody_less_registers_or_removes_a_factory(rig: Rig, role: Role) -> None:
    client = rig.client(role)

    made = client.post("/api/v1/factory-cas", json={"name": "Acme", "certificate": maker().pem.decode()})

    assert made.status_code == 403
    assert client.delete("/api/v1/factory-cas/0123").status_code == 403


def test_what_is_no_authority_is_422_and_an_unknown_one_404(rig: Rig) -> None:
    client = rig.client()

    assert client.post("/api/v1/factory-cas", json={"name": "Acme", "certificate": "x"}).status_code == 422
    assert client.delete("/api/v1/factory-cas/0123").status_code == 404


def test_a_registered_key_enrols_over_https_without_a_token(rig: Rig) -> None:
    node = Node(rig)
    body = {"device": "cam-1", "hw": "rpi5", "csr": node.request("").csr, "v": 1}
    before = rig.device_client().post("/api/v1/enrol", json=body)
    rig.client().post("/api/v1/preauthorised", json={"device": "cam-1", "key_sha256": fingerprint_of(node.public)})

    after = rig.device_client().post("/api/v1/enrol", json=body)

    assert (before.status_code, after.status_code) == (403, 201)
    assert after.json()["ca"].startswith("-----BEGIN CERTIFICATE-----")
