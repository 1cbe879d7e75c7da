"""What rollouts halt, and which did."""

from __future__ import annotations

from surefoot_server.rollouts import halting, repository
from surefoot_server.rollouts.policy import CommittedDevices
from tests.server.rig import digest
from tests.server.rollouts.fleet import Fleet


def test_the_digests_of_rollouts_that_were_halted_and_who_halted_them(fleet: Fleet) -> None:
    first = fleet.start()
    fleet.service.halt(first, CommittedDevices.KEEP, "bob", fleet.now)

    with fleet.rig.db.read() as session:
        row = repository.rollout(session, first)
        assert halting.halted_digests(session) == {digest("app/1.1")}
        assert [one.id for one in halting.halting(session, digest("app/1.1"))] == [first]
        assert halting.halting(session, digest("app/1.0")) == []
        assert halting.halted_by(session, row) is None
