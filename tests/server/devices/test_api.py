"""Devices over HTTP."""

from __future__ import annotations

from surefoot_server.access.roles import Role
from surefoot_shared.messages import RequestKind, Response
from tests.server.rig import NOW, Rig, hello, runs


def test_the_list_can_be_searched(rig: Rig) -> None:
    rig.device("cam-1")
    rig.device("cam-2", hw="jetson-orin")

    found = rig.client(Role.VIEWER).get("/api/v1/devices", params={"q": "jetson"}).json()

    assert [d["id"] for d in found] == ["cam-2"]


def test_a_device_is_shown_whole(rig: Rig) -> None:
    rig.device("cam-1")
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1", components=(runs("app/1.0"),)), NOW)

    shown = rig.client(Role.VIEWER).get("/api/v1/devices/cam-1").json()

    assert shown["components"][0]["slot"] == "A"
    assert shown["agent"] == "0.1.0"


def test_an_unknown_device_is_a_problem_with_a_kind(rig: Rig) -> None:
    answer = rig.client(Role.VIEWER).get("/api/v1/devices/cam-9")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["kind"] == "not_found"


def test_why_answers_in_one_sentence(rig: Rig) -> None:
    rig.device("cam-1")

    answer = rig.client(Role.VIEWER).get("/api/v1/devices/cam-1/why").json()

    assert answer["kind"] == "never_connected"
    assert answer["sentence"] == "cam-1 runs nothing known: it is enrolled and has never connected."


def test_tags_are_set_as_a_whole_and_checked(rig: Rig) -> None:
    rig.device("cam-1", tags=["old"])
    client = rig.client(Role.OPERATOR)

    assert client.put("/api/v1/devices/cam-1/tags", json={"tags": ["lab", "lab"]}).json()["tags"] == ["lab"]
    assert client.put("/api/v1/devices/cam-1/tags", json={"tags": ["two words"]}).status_code == 422


def test_a_revoked_device_is_muted_at_the_broker(rig: Rig) -> None:
    rig.device("cam-1")

    answer = rig.client(Role.ADMIN).post("/api/v1/devices/cam-1/revoke")

    assert answer.json()["revoked"] is True
    assert rig.client(Role.OPERATOR).post("/api/v1/devices/cam-1/revoke").status_code == 403


def test_a_request_reaches_the_device_and_its_answer_is_shown_as_text(rig: Rig) -> None:
    rig.device("cam-1")
    client = rig.client(Role.OPERATOR)

    asked = client.post("/api/v1/devices/cam-1/requests", json={"kind": "logs", "lines": 10})
    with rig.db.write() as session:
        rig.devices.response(session, "cam-1", Response(asked.json()["id"], True, "<b>log</b>"), NOW)
    answer = client.get(f"/api/v1/devices/cam-1/requests/{asked.json()['id']}").json()

    assert asked.status_code == 202
    assert [(d, r.kind, r.lines) for d, r in rig.said.requests] == [("cam-1", RequestKind.LOGS, 10)]
    assert (answer["text"], answer["ok"]) == ("<b>log</b>", True)


def test_an_acknowledged_device_needs_no_attention(rig: Rig) -> None:
    rig.device("cam-1")
    for seq, instance in ((1, "a"), (2, "b"), (3, "a")):
        with rig.db.write() as session:
            rig.devices.hello(session, hello("cam-1", seq, instance=instance), NOW)
    client = rig.client(Role.OPERATOR)
    assert client.get("/api/v1/devices/cam-1").json()["attention"] == "identity_conflict"

    assert client.post("/api/v1/devices/cam-1/acknowledge").json()["attention"] is None


def test_a_releaser_assigns_a_set_and_it_is_audited(rig: Rig) -> None:
    rig.device("cam-1")
    for release in ("model/7", "app/2.0"):
        rig.release(release)
    body = {"releases": ["model/7", "app/2.0"]}

    answer = rig.client(Role.RELEASER).post("/api/v1/devices/cam-1/sets", json=body)

    assert answer.status_code == 201
    assert [row["component"] for row in answer.json()] == ["model", "app"]
    assert "device.assign_set" in rig.client(Role.ADMIN).get("/api/v1/audit").text


def test_an_operator_may_not_bypass_rollouts_with_a_set(rig: Rig) -> None:
    rig.device("cam-1")

    answer = rig.client(Role.OPERATOR).post("/api/v1/devices/cam-1/sets", json={"releases": ["a/1", "b/1"]})

    assert answer.status_code == 403
