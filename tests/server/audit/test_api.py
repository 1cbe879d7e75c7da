"""The audit trail over HTTP: readable, verifiable, not writable."""

from __future__ import annotations

from sqlalchemy import text

from surefoot_server.access.roles import Role
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
        session.connection().execute(text("UPDATE audit_entry SET actor = 'nobody' WHERE seq = 1"))

    answer = client.get("/api/v1/audit/verify").json()
    assert (answer["whole"], answer["broken_at"]) == (False, 1)


def test_nobody_can_write_or_remove_rows(rig: Rig) -> None:
    client = rig.client(Role.ADMIN)

    assert client.post("/api/v1/audit", json={}).status_code == 405
    assert client.delete("/api/v1/audit").status_code == 405
