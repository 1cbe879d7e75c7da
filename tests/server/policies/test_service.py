"""Saved policies: a name stands for its document, and a rollout keeps the one that it began with."""

from __future__ import annotations

import pytest

from surefoot_server.policies import service
from surefoot_shared.errors import Invalid, NotFound
from tests.server.rig import NOW, Rig
from tests.server.rollouts.fleet import Fleet


def test_a_name_is_its_document_and_a_document_is_itself(rig: Rig) -> None:
    with rig.db.write() as session:
        service.save(session, "careful", "phases: [{percent: 100, bake: 6h}]", "ann", NOW)

    with rig.db.read() as session:
        assert service.resolve(session, "careful") == "phases: [{percent: 100, bake: 6h}]"
        assert service.resolve(session, "limits: {max_concurrent: 5}") == "limits: {max_concurrent: 5}"
        assert service.resolve(session, "") == ""
        with pytest.raises(NotFound, match="no saved policy 'careless'"):
            service.resolve(session, "careless")


def test_what_does_not_parse_is_not_saved(rig: Rig) -> None:
    with rig.db.write() as session, pytest.raises(Invalid, match="line 1"):
        service.save(session, "careful", "phases: 5", "ann", NOW)
    with rig.db.write() as session, pytest.raises(Invalid, match="not a name"):
        service.save(session, "Careful!", "", "ann", NOW)


def test_a_rollout_keeps_the_policy_that_it_began_with(fleet: Fleet) -> None:
    with fleet.rig.db.write() as session:
        service.save(session, "quick", "phases: [{percent: 100, bake: 60s}]", "ann", fleet.now)
    rollout = fleet.start(policy="quick")

    with fleet.rig.db.write() as session:
        service.save(session, "quick", "phases: [{percent: 100, bake: 6h}]", "ann", fleet.now)

    assert fleet.rollout(rollout).policy == "phases: [{percent: 100, bake: 60s}]"


def test_a_removed_policy_is_gone_and_the_audit_trail_has_its_text(rig: Rig) -> None:
    from surefoot_server.audit import service as audit

    with rig.db.write() as session:
        service.save(session, "careful", "phases: [{percent: 100}]", "ann", NOW)
        service.remove(session, "careful", "bob", NOW)

    with rig.db.read() as session:
        assert service.saved(session) == []
        (newest, *_) = audit.entries(session, "policy:careful")
    assert (newest.action, newest.actor, newest.detail["before"]) == (
        "policy.remove",
        "bob",
        "phases: [{percent: 100}]",
    )
