"""The devices of a rollout, with each one's reason, in bounds."""

from __future__ import annotations

from surefoot_server.console import held_up
from surefoot_server.rollouts import repository, views
from surefoot_shared.status import AttemptState, Outcome
from tests.server.rig import Rig
from tests.server.rollouts.fleet import Fleet


def test_those_without_an_outcome_hold_it_up(rig: Rig) -> None:
    fleet = Fleet(rig)
    rollout_id = fleet.start()
    first, second, third = fleet.in_phase(rollout_id, 0)
    fleet.commit(first)
    fleet.state(second, AttemptState.DOWNLOADING)

    found = late(fleet, rollout_id)

    assert found is not None
    assert found.total == 2
    assert {row.device: row.word for row in found.rows} == {second: "downloading", third: "offered"}


def test_a_rollout_that_is_over_waits_for_nobody(rig: Rig) -> None:
    fleet = Fleet(rig)
    rollout_id = fleet.start()
    fleet.service.cancel(rollout_id, "alice", fleet.now)

    assert late(fleet, rollout_id) is None


def test_everybody_is_counted_by_one_word_and_found_by_it(rig: Rig) -> None:
    fleet = Fleet(rig)
    rig.device("odd-1", "odd-box")
    rollout_id = fleet.start()
    first, *_ = fleet.in_phase(rollout_id, 0)
    fleet.end(Outcome.REVERTED, first)

    with rig.db.read() as session:
        everybody = held_up.members(session, rollout_id, "")
        reverted = held_up.members(session, rollout_id, "reverted")
        excluded = held_up.members(session, rollout_id, "excluded")

    assert dict(everybody.counts) == {"busy": 2, "excluded": 1, "reverted": 1, "waiting": 9}
    assert (everybody.total, len(everybody.rows)) == (13, 13)
    assert [(r.device, r.why) for r in reverted.rows] == [(first, "frozen frames")]
    assert [(r.device, r.why) for r in excluded.rows] == [("odd-1", "the release is not made for odd-box")]


def late(fleet: Fleet, rollout_id: str) -> held_up.Found | None:
    with fleet.rig.db.read() as session:
        out = views.rollout_out(session, repository.rollout(session, rollout_id), fleet.now)
        return held_up.late(session, out)
