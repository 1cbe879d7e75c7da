"""Statements that are built once serve every rollout and keep nothing of any."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import Session

from surefoot_server.devices.models import UNTALLIED
from surefoot_server.rollouts import queries, repository
from surefoot_server.rollouts.models import Rollout
from tests.server.rollouts.fleet import Fleet


def waiting(fleet: Fleet, session: Session, row: Rollout, most: int = 100, awake: bool = False) -> list[str]:
    asked = {
        "rollout": row.id,
        "open_phase": 1,
        "most": most,
        "heard_since": fleet.now - timedelta(hours=1),
        **({"awake_since": fleet.now + timedelta(hours=1)} if awake else {}),
        **queries.claims(row),
    }
    return list(session.connection().scalars(queries.waiting(awake), asked))


def test_one_statement_answers_for_each_rollout_what_is_its_own(fleet: Fleet) -> None:
    older = fleet.start()
    with fleet.rig.db.read() as session:
        assert len(waiting(fleet, session, repository.rollout(session, older))) > 0
        assert len(waiting(fleet, session, repository.rollout(session, older), most=1)) == 1
        assert waiting(fleet, session, repository.rollout(session, older), awake=True) == []
        assert queries.waiting(False) is queries.waiting(False)
        assert list(session.connection().scalars(queries.failed(), {"rollout": older, "kinds": []})) == []
        assert [phase.name for phase in session.exec(queries.phases(), params={"rollout": "r9"})] == []


def test_whom_a_younger_rollout_claims_does_not_wait_for_an_older_one(fleet: Fleet) -> None:
    rollout = fleet.start()
    with fleet.rig.db.read() as session:
        row = repository.rollout(session, rollout)
        asked = {"rollout": row.id, "open_phase": 1, "most": 100, "heard_since": fleet.now - timedelta(hours=1)}
        free = list(session.connection().scalars(queries.waiting(False), {**asked, **queries.claims(row)}))
        older = {**queries.claims(row), "claimed_number": row.number - 1}  # as the one before it asks
        claimed = list(session.connection().scalars(queries.waiting(False), {**asked, **older}))

    assert len(free) > 0
    assert claimed == []


def test_devices_are_asked_for_by_how_their_attempt_is(fleet: Fleet) -> None:
    rollout = fleet.start()
    device = fleet.in_phase(rollout, 0)[0]
    with fleet.rig.db.read() as session:
        offered = set(session.connection().scalars(queries.tried("open"), {"rollout": rollout}))
    fleet.commit(device)
    with fleet.rig.db.read() as session:
        still = set(session.connection().scalars(queries.tried("open"), {"rollout": rollout}))
        news = set(session.connection().scalars(queries.tried(UNTALLIED), {"rollout": rollout}))
        other = set(session.connection().scalars(queries.tried("open"), {"rollout": "another"}))

    assert offered - still == {device}
    assert news == {device}
    assert other == set()


def test_only_rollouts_with_something_to_decide_are_looked_at(fleet: Fleet) -> None:
    with fleet.rig.db.read() as session:
        assert list(session.connection().scalars(queries.to_look_at(False))) == []
    rollout = fleet.start()
    with fleet.rig.db.read() as session:
        assert list(session.connection().scalars(queries.to_look_at(False))) == [rollout]
