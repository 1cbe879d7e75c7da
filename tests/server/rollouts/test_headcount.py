"""Members counted by the database; test_looking holds for its worlds that reading everybody gives the same."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from surefoot_server.rollouts import headcount, repository, views
from surefoot_server.rollouts.headcount import Heads
from surefoot_shared.status import Outcome
from tests.server.rollouts.fleet import Fleet


def test_each_phase_has_its_own_numbers(fleet: Fleet) -> None:
    rollout = fleet.start()
    canary, rest = fleet.in_phase(rollout, 0), fleet.in_phase(rollout, 1)
    fleet.commit(canary[0])
    fleet.offline(rest[0])

    with fleet.rig.db.read() as session:
        row = repository.rollout(session, rollout)
        found = headcount.of_phases(session, row, 2, fleet.now - timedelta(hours=1))
        silent = headcount.of_phases(session, row, 2, fleet.now + timedelta(hours=1))

    assert found == {0: Heads(3, 0, 0, {Outcome.COMMITTED: 1}), 1: Heads(0, len(rest), 1)}
    assert silent[1] == Heads(0, len(rest), len(rest))


def test_no_member_is_loaded_for_a_view(fleet: Fleet) -> None:
    rollout = fleet.start()
    fleet.commit(*fleet.in_phase(rollout, 0))
    fleet.tick()
    rows: list[int] = []

    def count(_connection: object, cursor: object, *_: object) -> None:
        rows.append(1)

    with fleet.rig.db.read() as session:
        row = repository.rollout(session, rollout)
        engine = session.connection().engine
        sa.event.listen(engine, "after_cursor_execute", count)
        try:
            views.rollout_out(session, row, fleet.now)
        finally:
            sa.event.remove(engine, "after_cursor_execute", count)
        loaded = [each for each in session.identity_map.values() if type(each).__name__ == "RolloutMember"]

    assert rows
    assert not loaded
