"""Webhooks over HTTP: who may, what is shown once, and the delivery log."""

from __future__ import annotations

import pytest

from surefoot_server.access.roles import Role
from tests.server.rig import Rig

ORDER = {"name": "ops", "url": "https://93.184.216.34/hook?key=hush", "kinds": ["rollout", "alarm"]}


def test_a_secret_is_shown_once_and_an_address_never(rig: Rig) -> None:
    client = rig.client(Role.ADMIN)

    made = client.post("/api/v1/webhooks", json=ORDER)
    listed = client.get("/api/v1/webhooks")

    assert (made.status_code, made.json()["secret"].startswith("whsec_")) == (201, True)
    assert listed.json() == [{k: v for k, v in made.json().items() if k != "secret"}]
    assert client.get("/api/v1/webhooks/ops").json() == listed.json()[0]
    assert "hush" not in made.text + listed.text
    assert listed.json()[0]["place"] == "https://93.184.216.34:443"


def test_only_an_administrator_makes_tests_and_deletes(rig: Rig) -> None:
    rig.client(Role.ADMIN).post("/api/v1/webhooks", json=ORDER)
    releaser = rig.client(Role.RELEASER)

    assert releaser.post("/api/v1/webhooks", json={**ORDER, "name": "b"}).status_code == 403
    assert releaser.post("/api/v1/webhooks/ops/test").status_code == 403
    assert releaser.delete("/api/v1/webhooks/ops").status_code == 403
    assert releaser.get("/api/v1/webhooks/ops/deliveries").status_code == 200


def test_a_test_is_in_the_log_and_may_be_sent_again(rig: Rig) -> None:
    client = rig.client(Role.ADMIN)
    client.post("/api/v1/webhooks", json=ORDER)

    queued = client.post("/api/v1/webhooks/ops/test")
    log = client.get("/api/v1/webhooks/ops/deliveries").json()
    again = client.post(f"/api/v1/webhooks/ops/deliveries/{log[0]['id']}/resend")

    assert (queued.status_code, [row["state"] for row in log]) == (202, ["waiting"])
    assert (again.status_code, again.json()["message_id"]) == (202, log[0]["message_id"])
    assert client.get(f"/api/v1/webhooks/ops/deliveries/{log[0]['id']}").json()["id"] == log[0]["id"]


@pytest.mark.parametrize(
    ("change", "status", "kind"),
    [
        ({"url": "http://127.0.0.1/x"}, 403, "not_allowed"),
        ({"url": "nowhere"}, 422, "malformed"),
        ({"form": "fax"}, 422, "malformed"),
        ({"kinds": ["weather"]}, 422, "malformed"),
        ({"language": "xx"}, 422, "malformed"),
        ({"name": "a b"}, 422, "malformed"),
    ],
)
def test_what_cannot_be_is_refused(rig: Rig, change: dict[str, str], status: int, kind: str) -> None:
    answer = rig.client(Role.ADMIN).post("/api/v1/webhooks", json={**ORDER, **change})

    assert (answer.status_code, answer.json()["kind"]) == (status, kind)


def test_a_name_that_is_taken_is_409_and_an_unknown_one_404(rig: Rig) -> None:
    client = rig.client(Role.ADMIN)
    client.post("/api/v1/webhooks", json=ORDER)

    assert client.post("/api/v1/webhooks", json=ORDER).status_code == 409
    assert client.get("/api/v1/webhooks/none").status_code == 404
    assert client.get("/api/v1/webhooks/ops/deliveries/99").status_code == 404
    assert client.delete("/api/v1/webhooks/ops").status_code == 200
