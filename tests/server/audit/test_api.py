"""The audit trail over HTTP: readable, verifiable, not writable."""

from __future__ import annotations

from sqlalchemy import text

from surefoot_server.access.roles import Role
from tests.server.audit.tampering import unlock
from tests.server.rig import Rig


def test_an_act_is_found_by_its_object(rig: Rig) -> None:
    rig.device("cam-1")
    client = rig.client(Role.VIEWER)

    found = client.get("/api/v1/audit", params={"object": "device:cam-1"}).json()

    assert [(e["action"], e["actor"]) for e in found] == [("device.enrol", "server")]


def test_the_chain_is_verified_on_request(rig: Rig) -> None:
    rig.device("cam-1")
    client = rig.client(Role.VIEWER)
    assert client.get("/api/v1/audit/verify").json()["whole"] is True

    with rig.db.write() as session:
        unlock(session)
        session.connection().execute(text("UPDATE audit_entry SET actor = 'nobody' WHERE seq = 1"))

    answer = client.get("/api/v1/audit/verify").json()
    assert (answer["whole"], answer["broken_at"]) == (False, 1)


def test_the_trail_is_filtered_and_written_whole(rig: Rig) -> None:
    rig.device("cam-1", tags=["lab"])
    client = rig.client(Role.VIEWER)

    found = client.get("/api/v1/audit", params={"action": "device", "actor": "server", "text": "rpi5"}).json()
    lines = client.get("/api/v1/audit/export", params={"object": "device"})
    sheet = client.get("/api/v1/audit/export", params={"object": "device", "form": "csv"})

    assert [e["action"] for e in found] == ["device.enrol"]
    assert (len(lines.text.splitlines()), lines.headers["content-type"]) == (2, "application/jsonl")
    assert 'filename="audit.csv"' in sheet.headers["content-disposition"]
    assert client.get("/api/v1/audit", params={"since": "2026-03-01T00:00"}).status_code == 422


def test_nobody_can_write_or_remove_rows(rig: Rig) -> None:
    client = rig.client(Role.ADMIN)

    assert client.post("/api/v1/audit", json={}).status_code == 405
    assert client.delete("/api/v1/audit").status_code == 405
