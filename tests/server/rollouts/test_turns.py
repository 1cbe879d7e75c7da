"""Whoever has its turn again counts nowhere until then, nor does what a person acknowledged of its old attempt."""

from __future__ import annotations

from surefoot_server.rollouts import counting, repository, turns
from surefoot_server.rollouts import policy as policies
from surefoot_shared.status import Outcome
from tests.server.rollouts.fleet import POLICY, Fleet

LENIENT = POLICY.replace("max_wait: 1h", "max_wait: 1h, objectives: [{metric: failed, fail_if_surely_above: 90%}]")


def test_an_attempt_that_is_set_aside_leaves_counters_and_acknowledgements(fleet: Fleet) -> None:
    rollout = fleet.start(policy=LENIENT)
    one, other, _ = fleet.in_phase(rollout, 0)
    fleet.end(Outcome.FAILED, one, other)
    fleet.tick()
    with fleet.rig.db.write() as session:
        row = repository.rollout(session, rollout)
        counting.settle(session, row, policies.parse(row.policy))
        phase = repository.phases(session, rollout)[0]
        phase.acknowledged = {"failed": 2, "camera_fps:control": 1}
        session.add(phase)
        session.flush()
        tried = [(m, a) for m, a in repository.tried(session, rollout, [Outcome.FAILED]) if m.device_id == one]

        turns.anew(session, row, tried)

    assert fleet.rollout(rollout).tally == {"failed": 1}
    assert fleet.phases(rollout)[0].tally == {"failed": 1}
    assert fleet.phases(rollout)[0].acknowledged == {"failed": 1, "camera_fps:control": 1}
    assert fleet.members(rollout)[one].assignment_id is None
    assert fleet.members(rollout)[other].assignment_id is not None
