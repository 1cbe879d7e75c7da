"""The fleet's document over HTTP: anyone who is signed in compares, releasers apply."""

from __future__ import annotations

from surefoot_server.access.roles import Role
from tests.server.fleet.test_document import WHOLE
from tests.server.rig import Rig


def test_a_plan_changes_nothing_and_is_what_is_applied(rig: Rig) -> None:
    client = rig.client(Role.RELEASER)

    plan = client.post("/api/v1/configuration/plan", json={"document": WHOLE}).json()
    done = client.post("/api/v1/configuration/apply", json={"document": WHOLE, "base": plan["base"]}).json()

    assert [c["act"] for c in plan["changes"]] == ["add"] * 5
    assert done["changes"] == plan["changes"]
    assert client.post("/api/v1/configuration/plan", json={"document": WHOLE}).json()["changes"] == []
    assert "production" in client.get("/api/v1/configuration").json()["document"]


def test_an_operator_may_compare_and_not_apply(rig: Rig) -> None:
    client = rig.client(Role.OPERATOR)

    assert client.post("/api/v1/configuration/plan", json={"document": WHOLE}).status_code == 200
    assert client.post("/api/v1/configuration/apply", json={"document": WHOLE}).status_code == 403


def test_what_is_wrong_is_422_with_its_line_and_a_false_count_409(rig: Rig) -> None:
    client = rig.client(Role.RELEASER)

    wrong = client.post("/api/v1/configuration/plan", json={"document": "version: 1\ncohorts: {a: b c}"})
    false = client.post("/api/v1/configuration/apply", json={"document": WHOLE, "prune": 3})

    assert (wrong.status_code, wrong.json()["kind"]) == (422, "malformed")
    assert "line 2: cohorts.a" in wrong.json()["message"]
    assert false.status_code == 409


HOOKS = "{version: 1, webhooks: {ops: {url: 'https://93.184.216.34/x?key=hush'}}}"


def test_a_secret_is_in_the_answer_that_made_it_and_nowhere_else_and_a_releaser_makes_none(rig: Rig) -> None:
    refused = rig.client(Role.RELEASER).post("/api/v1/configuration/apply", json={"document": HOOKS})
    admin = rig.client(Role.ADMIN)
    plan = admin.post("/api/v1/configuration/plan", json={"document": HOOKS})
    made = admin.post("/api/v1/configuration/apply", json={"document": HOOKS})

    secret = made.json()["secrets"]["ops"]
    assert (refused.status_code, refused.json()["kind"]) == (403, "not_allowed")
    assert secret.startswith("whsec_")
    later = admin.post("/api/v1/configuration/apply", json={"document": HOOKS})
    seen = plan.text + later.text + admin.get("/api/v1/configuration").text + admin.get("/api/v1/webhooks").text
    assert later.json()["secrets"] == {}
    assert secret not in seen
    assert "hush" not in seen + made.text


def test_an_address_inside_is_refused_as_it_is_for_one_webhook_and_nothing_is_done(rig: Rig) -> None:
    document = "{version: 1, cohorts: {a: all}, webhooks: {ops: {url: 'http://169.254.169.254/latest'}}}"

    answer = rig.client(Role.ADMIN).post("/api/v1/configuration/apply", json={"document": document})

    assert answer.status_code == 403
    assert rig.client(Role.ADMIN).get("/api/v1/cohorts").json() == []
