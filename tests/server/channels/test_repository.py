"""Channels in their order, and who runs what since when."""

from __future__ import annotations

from surefoot_server.channels import repository, service
from surefoot_server.releases import repository as releases
from tests.server.rig import NOW, later
from tests.server.rollouts.fleet import Fleet


def test_channels_come_in_the_order_of_promotion(fleet: Fleet) -> None:
    with fleet.rig.db.write() as session:
        service.create(session, "dev", None, "all", "", "", "ann", NOW)
        service.create(session, "production", "dev", "all", "", "", "ann", later(1))
        service.create(session, "lab", None, "all", "", "", "ann", later(2))

    with fleet.rig.db.read() as session:
        assert [c.name for c in repository.channels(session)] == ["dev", "lab", "production"]


def test_a_device_runs_a_release_since_its_newest_commit_of_it(fleet: Fleet) -> None:
    fleet.at = 100
    rollout = fleet.start()
    canary = fleet.in_phase(rollout, 0)
    fleet.at = 200
    fleet.commit(*canary)

    with fleet.rig.db.read() as session:
        found = repository.running(session, releases.get(session, "app/1.1"))

    assert [(device, since) for device, _, since in found] == [(name, later(200)) for name in canary]
