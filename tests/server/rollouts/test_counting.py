"""Counters of a rollout, and what they would be once what ended was counted."""

from __future__ import annotations

from surefoot_server.rollouts import counting, repository
from surefoot_server.rollouts import policy as policies
from surefoot_shared.status import Outcome
from tests.server.rollouts.fleet import Fleet


def test_what_would_be_counted_is_what_settling_counts(fleet: Fleet) -> None:
    rollout = fleet.start()
    first, second, _ = fleet.in_phase(rollout, 0)
    fleet.commit(first)
    fleet.tick()
    fleet.end(Outcome.REVERTED, second)
    with fleet.rig.db.read() as session:
        row = repository.rollout(session, rollout)
        told, kept = counting.counted(session, row), dict(row.tally)
        assert counting.uncounted(session, rollout)

    with fleet.rig.db.write() as session:
        row = repository.rollout(session, rollout)
        settled = counting.settle(session, row, policies.parse(row.policy))

    assert (told, kept, settled) == ({"committed": 1, "reverted": 1}, {"committed": 1}, 1)
    assert fleet.rollout(rollout).tally == told
    with fleet.rig.db.read() as session:
        assert not counting.uncounted(session, rollout)
