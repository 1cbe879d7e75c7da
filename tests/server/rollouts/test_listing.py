"""A list says the same of a rollout as its own view, and loads no member for it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import select

from surefoot_server.access.roles import Role
from surefoot_server.rollouts import listing, repository, views
from surefoot_server.rollouts.listing import RolloutLine
from surefoot_server.rollouts.models import Rollout, RolloutMember
from surefoot_server.rollouts.policy import CommittedDevices
from surefoot_shared.status import Outcome
from tests.server.rollouts.fleet import Fleet


def agree(fleet: Fleet) -> list[RolloutLine]:
    """The lines of all rollouts, each as the rollout's own view says it."""
    with fleet.rig.db.read() as session:
        rows = list(session.exec(select(Rollout)))
        lines = listing.lines(session, rows, {})
        whole = [views.rollout_out(session, row, fleet.now).model_dump(exclude={"phases"}) for row in rows]
    assert [line.model_dump() for line in lines] == whole
    return lines


def test_a_line_counts_what_ended_whether_the_engine_looked_since_or_not(fleet: Fleet) -> None:
    rollout = fleet.start()
    first, second, _ = fleet.in_phase(rollout, 0)
    fleet.commit(first)

    before = agree(fleet)[0]
    fleet.tick()
    fleet.end(Outcome.REFUSED, second)
    after = agree(fleet)[0]

    assert (before.members, before.waiting, before.outcomes) == (12, 9, {"committed": 1})
    assert after.outcomes == {"committed": 1, "refused": 1}


def test_a_line_counts_what_went_back_and_says_what_may_be_done(fleet: Fleet) -> None:
    rollout = fleet.start()
    gone, *_ = fleet.in_phase(rollout, 0)
    fleet.commit(*fleet.in_phase(rollout, 0))
    fleet.tick()
    fleet.service.halt(rollout, CommittedDevices.REVERT, "alice", fleet.now)
    fleet.tick()
    fleet.commit(gone)

    line = agree(fleet)[0]

    assert (line.state, line.taken_back, line.outcomes) == ("reverting", 1, {"committed": 3})


def test_lines_count_the_satisfied_the_excluded_and_who_is_left_to_a_younger_rollout(fleet: Fleet) -> None:
    older = fleet.start()
    with fleet.rig.db.write() as session:
        rows = session.exec(select(RolloutMember).where(RolloutMember.rollout_id == older)).all()
        waiting = [row for row in rows if row.assignment_id is None]
        waiting[0].standing, waiting[1].standing = repository.SATISFIED, repository.EXCLUDED
        session.get_one(Rollout, older).state = "halted"
        for row in waiting[:2]:
            phase = repository.phases(session, older)[row.phase or 0]
            phase.members -= 1
    younger = fleet.start()

    lines = {line.id: line for line in agree(fleet)}

    assert (lines[older].satisfied, lines[older].excluded, lines[older].members) == (1, 1, 10)
    assert lines[older].waiting < 9 - 2
    assert lines[younger].members > 0


def test_the_list_costs_the_same_number_of_queries_whatever_is_in_a_rollout_and_comes_in_pages(fleet: Fleet) -> None:
    rollouts = [fleet.start(cohort=f"hw == '{hw}'") for hw in ("rpi5", "x86-box")]
    client, read = fleet.rig.client(Role.VIEWER), list[str]()

    @sa.event.listens_for(fleet.rig.db.engine, "before_cursor_execute")
    def _note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        read.append(statement)

    first = client.get("/api/v1/rollouts?limit=1")
    second = client.get("/api/v1/rollouts", params={"limit": 1, "cursor": first.headers["Next-Cursor"]})

    assert [row["id"] for answer in (first, second) for row in answer.json()] == rollouts[::-1]
    assert "phases" not in first.json()[0]
    of_members = [statement for statement in read if "FROM rollout_member" in statement]
    assert of_members
    assert [statement for statement in of_members if "count(" not in statement] == []
