"""The ladder: what stands on each rung, and where its two thresholds lie."""

from __future__ import annotations

import pytest

from surefoot_server.console import ladder
from surefoot_server.console.ladder import Rung
from surefoot_server.languages.catalogue import language
from surefoot_server.rollouts import policy as policies
from surefoot_server.rollouts import repository, views
from surefoot_shared.status import Outcome
from tests.server.rig import Rig
from tests.server.rollouts.fleet import POLICY, Fleet

EN = language("en")


def rung(**more: object) -> Rung:
    fields: dict[str, object] = {
        "index": 0,
        "name": "early",
        "selector": "10%",
        "state": "offering",
        "verdict": "",
        "reason": "",
        "members": 40,
        "busy": 8,
        "outcomes": {"committed": 10, "reverted": 2},
        "needed": 36,
        "trips": {"failed": 4, "reverted": 2},
    }
    return Rung(**{**fields, **more})  # type: ignore[arg-type]


def test_done_grows_from_the_left_and_what_went_wrong_from_the_right() -> None:
    assert rung().bar() == [("good", 0.0, 25.0), ("work", 25.0, 20.0), ("bad", 95.0, 5.0)]
    assert rung(members=0, busy=0, outcomes={}).bar() == []
    assert rung(outcomes={"shadowed": 10}).bar()[0] == ("good", 0.0, 25.0)


def test_both_thresholds_are_marks_on_the_bar() -> None:
    assert rung().marks() == [("good", 90.0), ("bad", 95.0)]


@pytest.mark.parametrize(
    ("more", "marks"),
    [({"members": 0}, []), ({"trips": {}}, [("good", 90.0)]), ({"needed": 0, "trips": {}}, [])],
)
def test_a_threshold_that_is_not_there_is_not_drawn(more: dict[str, object], marks: list[tuple[str, float]]) -> None:
    assert rung(**more).marks() == marks


def test_the_counts_of_a_rung_add_up_to_its_members() -> None:
    one = rung()

    assert one.done + one.bad + one.busy + one.waiting == one.members


def test_a_rung_says_in_words_what_is_drawn() -> None:
    assert rung().standing(EN) == "10 of 40 done · 2 reverted · 8 at work · 20 waiting"
    assert rung().thresholds(EN) == "36 reports are needed to pass; stopped by 4 failed or 2 reverted"
    assert rung(trips={}).thresholds(EN) == "36 reports are needed to pass; no count stops it"
    assert rung().picture(EN).startswith("10 of 40 done, 2 went wrong, 8 at work, 20 waiting; 36 reports")
    assert rung(outcomes={"committed": 5, "cancelled": 3}).standing(EN) == "5 of 40 done · 8 at work · 27 waiting"
    assert rung(asleep=5).standing(EN).endswith("8 at work · 5 asleep · 15 waiting")


def test_the_rows_and_the_apis_view_make_the_same_ladder(rig: Rig) -> None:
    fleet = Fleet(rig)
    rollout_id = fleet.start(policy=POLICY)
    first, *others = fleet.in_phase(rollout_id, 0)
    fleet.commit(*others)
    fleet.end(Outcome.FAILED, first)

    by_rows, by_views = _both(fleet, rollout_id)

    told = [(r.name, r.done, r.bad, r.busy, r.waiting, r.needed, dict(r.trips)) for r in by_rows]
    assert told == [(r.name, r.done, r.bad, r.busy, r.waiting, r.needed, dict(r.trips)) for r in by_views]
    assert (by_rows[0].bad, by_rows[0].done) == (1, len(others))


def test_a_phase_that_waits_for_its_turn_has_thresholds_of_its_own_members(rig: Rig) -> None:
    fleet = Fleet(rig)
    rollout_id = fleet.start(policy=POLICY)
    fleet.commit(*fleet.in_phase(rollout_id, 0)[1:])

    by_rows, by_views = _both(fleet, rollout_id)

    assert (by_views[1].needed, by_views[1].trips) == (by_rows[1].needed, by_rows[1].trips)
    assert by_views[1].needed > 1


def test_those_that_a_halt_took_back_are_due_for_no_report(rig: Rig) -> None:
    fleet = Fleet(rig)
    rollout_id = fleet.start(policy=POLICY)
    first, *others = fleet.in_phase(rollout_id, 0)
    fleet.commit(*others)
    fleet.end(Outcome.CANCELLED, first)

    by_rows, by_views = _both(fleet, rollout_id)

    assert by_rows[0].needed == by_views[0].needed == len(others)


def test_nobody_asks_a_device_for_a_report_whose_refusal_a_person_let_pass(rig: Rig) -> None:
    fleet = Fleet(rig)
    rollout_id = fleet.start(policy=POLICY)
    first, *others = fleet.in_phase(rollout_id, 0)
    fleet.commit(*others)
    fleet.end(Outcome.REFUSED, first)
    fleet.tick()
    before = _needed(fleet, rollout_id)

    fleet.service.resume(rollout_id, "bob", fleet.now)

    assert before == (len(others) + 1, len(others) + 1)
    assert _needed(fleet, rollout_id) == (len(others), len(others))


def _needed(fleet: Fleet, rollout_id: str) -> tuple[int, int]:
    """Of the first phase, by its rows and by the API's view."""
    by_rows, by_views = _both(fleet, rollout_id)
    return by_rows[0].needed, by_views[0].needed


def _both(fleet: Fleet, rollout_id: str) -> tuple[tuple[Rung, ...], tuple[Rung, ...]]:
    """The ladder by its rows, and by the API's view."""
    with fleet.rig.db.read() as session:
        row = repository.rollout(session, rollout_id)
        policy = policies.parse(row.policy)
        by_rows = ladder.of_rows(session, policy, repository.phases(session, rollout_id))
        return by_rows, ladder.of_views(policy, views.rollout_out(session, row, fleet.now).phases)
