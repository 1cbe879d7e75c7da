"""A set is ended, renewed and judged as one: the member of the rollout speaks for all."""

from __future__ import annotations

import pytest

from surefoot_server.devices import sets
from surefoot_server.devices.models import Assignment
from surefoot_server.devices.terms import Terms
from surefoot_shared.messages import Event
from surefoot_shared.status import Intent, Outcome
from tests.server.rig import NOW, Rig, later, outcome

BROKEN = {"reason": "set_broken", "message": "Another member of its set failed."}


@pytest.fixture
def pair(rig: Rig) -> tuple[Assignment, Assignment]:
    """The leading one of rollout r1, and what goes with it."""
    for release in ("app/1.1", "model/2.0"):
        rig.release(release)
    rig.device("cam-1")
    with rig.db.write() as session:
        app, model = rig.devices.assign_set(
            session, "cam-1", ["app/1.1", "model/2.0"], Intent.UPDATE, NOW, ("r1", 0), Terms(pool_bytes_per_s=1000)
        )
    return app, model


def says(rig: Rig, *events: Event) -> None:
    rig.events("cam-1", *events, now=later(10))


def failed(row: Assignment, seq: int, what: Outcome = Outcome.REVERTED, **more: str) -> Event:
    fields = {"reason": "health_failed", "message": "frozen frames", **more}
    return outcome(row, seq, what, component=row.component, **fields)


def test_the_first_of_a_set_belongs_to_the_rollout_and_all_are_one_set(
    rig: Rig, pair: tuple[Assignment, Assignment]
) -> None:
    app, model = (rig.read(row) for row in pair)

    assert [(row.rollout_id, row.phase) for row in (app, model)] == [("r1", 0), (None, None)]
    assert app.joint is not None
    assert app.joint == model.joint
    with rig.db.read() as session:
        assert [row.id for row in sets.others(session, app)] == [model.id]


def test_where_another_failed_the_leading_one_ends_as_that_did_whoever_spoke_first(
    rig: Rig, pair: tuple[Assignment, Assignment]
) -> None:
    app, model = pair

    says(rig, failed(app, 1, Outcome.CANCELLED, **BROKEN))
    before = rig.read(app).outcome
    says(rig, failed(model, 2))

    found = rig.read(app)
    assert (before, found.outcome, found.reason) == ("cancelled", "reverted", "health_failed")
    assert found.message == "model: frozen frames"


def test_the_same_where_the_guilty_one_spoke_first(rig: Rig, pair: tuple[Assignment, Assignment]) -> None:
    app, model = pair

    says(rig, failed(model, 1, Outcome.FAILED, reason="no_space"))
    says(rig, failed(app, 2, Outcome.REVERTED, **BROKEN))

    assert (rig.read(app).outcome, rig.read(app).reason) == ("failed", "no_space")


def test_a_leading_one_that_failed_itself_keeps_its_own_reason(rig: Rig, pair: tuple[Assignment, Assignment]) -> None:
    app, model = pair

    says(rig, failed(app, 1), failed(model, 2, Outcome.REVERTED, **BROKEN))

    assert (rig.read(app).reason, rig.read(app).message) == ("health_failed", "frozen frames")
    assert rig.read(model).reason == "set_broken"


def test_the_leading_member_has_no_outcome_before_the_last_and_one_that_did_not_hold_speaks_against_the_set(
    rig: Rig, pair: tuple[Assignment, Assignment]
) -> None:
    app, model = pair

    says(rig, outcome(app, 1, Outcome.COMMITTED))
    alone = rig.read(app).outcome
    says(rig, failed(model, 2, Outcome.REVERTED, reason="commit_lost"))

    assert (alone, rig.read(app).outcome, rig.read(app).reason) == (None, "reverted", "commit_lost")


@pytest.mark.parametrize("which", [0, 1])
def test_what_is_taken_back_of_a_set_takes_all_back(rig: Rig, pair: tuple[Assignment, Assignment], which: int) -> None:
    with rig.db.write() as session:
        rig.devices.withdraw(session, pair[which].id, Outcome.FAILED, "step_timeout", NOW)

    one, other = rig.read(pair[which]), rig.read(pair[1 - which])
    assert (one.outcome, one.reason, one.wanted) == ("failed", "step_timeout", False)
    assert (other.outcome, other.reason, other.wanted) == ("cancelled", "set_broken", False)


def test_a_lost_device_keeps_the_whole_set(rig: Rig, pair: tuple[Assignment, Assignment]) -> None:
    with rig.db.write() as session:
        rig.devices.withdraw(session, pair[0].id, Outcome.LOST, "lost", NOW)

    assert [rig.read(row).wanted for row in pair] == [True, True]


def test_other_terms_are_for_the_whole_set(rig: Rig, pair: tuple[Assignment, Assignment]) -> None:
    with rig.db.write() as session:
        rig.devices.renew(session, pair[0].id, Terms(activate=False, pool_bytes_per_s=5))

    found = [rig.read(row) for row in pair]
    assert {(row.activate, row.pool_bytes_per_s) for row in found} == {(False, 5)}
    assert all(new.seq > old.seq for new, old in zip(found, pair, strict=True))
