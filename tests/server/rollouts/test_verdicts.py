"""Verdicts over HTTP: as they were stored, the newest first."""

from __future__ import annotations

from surefoot_server.access.roles import Role
from surefoot_shared.status import Outcome
from tests.server.rollouts.fleet import Fleet


def test_a_verdict_is_read_with_the_numbers_that_decided(fleet: Fleet) -> None:
    rollout = fleet.start("app/1.2")
    fleet.end(Outcome.REVERTED, *fleet.in_phase(rollout, 0)[:2])
    fleet.tick()

    answer = fleet.rig.client(Role.VIEWER).get(f"/api/v1/rollouts/{rollout}/verdicts")

    (found,) = answer.json()
    assert (found["name"], found["decision"], found["verdict"], found["look"]) == ("canary", "fail_phase", "fail", 0)
    reverted = next(m for m in found["measures"] if m["metric"] == "reverted")
    assert (reverted["count"], reverted["tripwire"], reverted["trips_at"]) == (2, 2, 1)
    assert found["counts"]["due"] == 3


def test_a_rollout_that_was_not_judged_has_none_and_an_unknown_one_is_told(fleet: Fleet) -> None:
    rollout = fleet.start("app/1.2")
    client = fleet.rig.client(Role.VIEWER)

    assert client.get(f"/api/v1/rollouts/{rollout}/verdicts").json() == []
    assert client.get("/api/v1/rollouts/r9/verdicts").status_code == 404
