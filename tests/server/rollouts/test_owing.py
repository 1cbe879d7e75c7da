"""Whom a rollout still has to take back is read from those who are left, the connected ones first."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from surefoot_server.devices.models import Assignment
from surefoot_server.rollouts import owing, repository
from surefoot_shared.status import Outcome
from tests.server.rollouts.fleet import Fleet
from tests.server.rollouts.pairs import newest, with_models

WHOLE = "phases: [{percent: 100, bake: 60s}]\nrevert: {phases: [{percent: 10}, {percent: 100}]}\n"


def everywhere(fleet: Fleet) -> str:
    rollout = fleet.start(policy=WHOLE)
    fleet.commit(*fleet.names)
    fleet.tick()
    return rollout


def left(fleet: Fleet, rollout: str, most: int = 100) -> list[str]:
    with fleet.rig.db.read() as session:
        return owing.devices(session, repository.rollout(session, rollout), most)


def test_the_connected_ones_come_first_and_each_by_its_turn(fleet: Fleet) -> None:
    rollout = everywhere(fleet)
    turn = sorted(fleet.names, key=lambda name: fleet.members(rollout)[name].place)
    fleet.offline(turn[0], turn[5])

    found = left(fleet, rollout)

    assert found == [*(n for n in turn if n not in (turn[0], turn[5])), turn[0], turn[5]]
    assert left(fleet, rollout, most=11) == found[:11]
    assert left(fleet, rollout, most=3) == found[:3]


def test_who_was_ordered_back_or_never_had_it_is_not_read_at_all(fleet: Fleet) -> None:
    rollout = fleet.start(policy=WHOLE)
    fleet.commit(*fleet.names[2:])
    fleet.end(Outcome.FAILED, fleet.names[0])
    fleet.tick()
    fleet.service.revert(rollout, "alice", fleet.now)
    ordered = fleet.wished("app/1.0")

    assert ordered
    assert set(left(fleet, rollout)) == set(fleet.names[2:]) - ordered


def test_who_has_nothing_to_go_back_to_is_counted_as_keeping_it(fleet: Fleet) -> None:
    rollout = everywhere(fleet)
    with fleet.rig.db.write() as session:
        for name in fleet.names[:2]:
            session.merge(newest(fleet, name)["app"]).previous_release_id = None

    with fleet.rig.db.read() as session:
        row = repository.rollout(session, rollout)
        counted = owing.count_awake(session, row), owing.count_kept(session, row)

    assert counted == (10, 2)
    assert not set(left(fleet, rollout)) & set(fleet.names[:2])


def test_a_set_of_which_one_part_cannot_go_back_is_kept_whole(fleet: Fleet) -> None:
    with_models(fleet)
    rollout = fleet.start(policy=WHOLE, also=("model/2.0",))
    with fleet.rig.db.write() as session:
        parts = newest(fleet, fleet.names[0])
        session.merge(parts["model"]).previous_release_id = None
        done = {"open": False, "outcome": "committed"}
        session.connection().execute(sa.update(Assignment).where(sa.text("rollout_id IS NOT NULL")).values(**done))

    assert set(left(fleet, rollout)) == set(fleet.names[1:])


def test_both_questions_are_answered_from_the_index_of_those_who_are_left(fleet: Fleet) -> None:
    rollout = everywhere(fleet)
    asked: list[tuple[str, Any]] = []

    with fleet.rig.db.read() as session:
        row, connection = repository.rollout(session, rollout), session.connection()
        sa.event.listen(connection, "before_cursor_execute", lambda *said: asked.append(said[2:4]))
        owing.devices(session, row, 100)
        owing.count_kept(session, row)
        plans = [list(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)) for text, values in asked[:]]

    steps = [[step[3] for step in plan] for plan in plans]
    read = [plan for plan in steps if any("ix_rollout_member" in step for step in plan)]
    assert len(read) == 3  # connected, not connected, kept
    for plan in read:
        assert any("ix_rollout_member_not_sent_back" in step for step in plan)
        assert not [step for step in plan if step.startswith("SCAN") or "TEMP B-TREE" in step]
