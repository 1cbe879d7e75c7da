"""Saved policies over HTTP."""

from __future__ import annotations

from surefoot_server.access.roles import Role
from surefoot_server.policies import service
from tests.server.rig import NOW, Rig


def test_they_are_listed_and_shown_to_anyone_who_is_signed_in(rig: Rig) -> None:
    with rig.db.write() as session:
        service.save(session, "careful", "phases: [{percent: 100}]", "ann", NOW)
    viewer = rig.client(Role.VIEWER)

    assert [p["name"] for p in viewer.get("/api/v1/policies").json()] == ["careful"]
    assert viewer.get("/api/v1/policies/careful").json()["text"] == "phases: [{percent: 100}]"
    assert viewer.get("/api/v1/policies/none").status_code == 404
