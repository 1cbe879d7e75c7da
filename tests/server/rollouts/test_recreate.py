"""Recreate on the server: stated, confirmed, ordered one at a time, and given back where it fails."""

from __future__ import annotations

import pytest

from surefoot_server.rollouts.planner import Exclusion
from surefoot_server.rollouts.policy import parse
from surefoot_server.rollouts.recreate import Recreate, span_of
from surefoot_server.rollouts.views import plan_out
from surefoot_shared.errors import Conflict
from surefoot_shared.status import AttemptState, Intent, Outcome
from tests.server.rig import outcome, progress, runs
from tests.server.rollouts.fleet import POLICY, Fleet

ABLE = ("cam-01", "cam-02", "cam-03")
IN_PLACE = """
rollout: {strategy: recreate, recreate: {blind_time: 20m}}
phases: [{percent: 100, bake: 60s}]
gate: {max_wait: 1h, objectives: [{metric: failed, fail_if_surely_above: 90%}]}
timeouts: {lost_after: 5m, asleep_after: 1m, step: 40m}
on_fail: {committed_devices: keep}
"""


@pytest.fixture
def able(fleet: Fleet) -> Fleet:
    """Three of twelve devices announce that they can do it."""
    for name in ABLE:
        fleet.announce(name, "recreate")
    return fleet


def start(fleet: Fleet) -> str:
    return fleet.start(policy=IN_PLACE, accept_blind=True)


def give_up(fleet: Fleet, name: str) -> None:
    fleet._say(name, progress(fleet.wish(name), fleet._seq(name), AttemptState.CHECKING, full=True))
    fleet.tick(1)
    fleet._say(name, progress(fleet.wish(name), fleet._seq(name), AttemptState.CHECKING, vacated=True))


def test_a_plan_says_what_it_costs_and_who_is_left_out(able: Fleet) -> None:
    from surefoot_server.rollouts.creation import Order

    with able.rig.db.read() as session:
        planned = able.service.plan(session, Order(IN_PLACE, "app/1.1", "all"))
        said = plan_out(session, planned, able.now)

    assert {m.device for p in planned.plan.phases for m in p.members} == set(ABLE)
    assert {e.kind for e in planned.plan.excluded} == {Exclusion.UNABLE}
    assert planned.plan.excluded[0].reason == "its agent does not announce that it can recreate"
    assert said.warnings == list(Recreate(1200.0).words)
    assert "at most 20 min" in said.warnings[0]


def test_a_start_that_accepts_nothing_is_refused_in_one_sentence(able: Fleet) -> None:
    with pytest.raises(Conflict, match="blind for up to 20 min and without a way back of its own"):
        able.start(policy=IN_PLACE)


def test_other_strategies_have_nothing_to_accept(able: Fleet) -> None:
    assert able.rollout(able.start(policy=POLICY)).state == "running"


def test_one_device_at_a_time_is_told_to_give_up_its_release(able: Fleet) -> None:
    start(able)
    for name in ABLE:
        able._say(name, progress(able.wish(name), able._seq(name), AttemptState.CHECKING, full=True))
    able.tick(1)

    wishes = [able.wish(name) for name in ABLE]
    assert all(wish.recreate for wish in wishes)
    assert [wish.activate for wish in wishes].count(True) == 1


def test_a_device_that_gave_up_its_release_runs_nothing_until_it_commits(able: Fleet) -> None:
    start(able)
    give_up(able, "cam-01")

    assert able.runs("cam-01") is None
    able.commit("cam-01")
    assert able.runs("cam-01") == "app/1.1"


def test_whoever_fails_with_nothing_left_is_ordered_the_release_before(able: Fleet) -> None:
    rollout = start(able)
    give_up(able, "cam-01")
    able.end(Outcome.REVERTED, "cam-01")
    able.tick(1)

    back = able.wish("cam-01")
    assert (back.release_id, back.intent, back.activate, back.recreate) == ("app/1.0", "revert", True, True)
    assert able.rollout(rollout).state == "running"
    assert able.decisions(rollout)[-1].reason.startswith("it gave up its release and reverted")

    able._say("cam-01", outcome(back, able._seq("cam-01"), Outcome.COMMITTED))
    able.tick(1)
    assert able.runs("cam-01") == "app/1.0"


def test_whoever_failed_with_its_release_intact_keeps_it(able: Fleet) -> None:
    start(able)
    able.end(Outcome.REFUSED, "cam-01")
    able.tick(1)

    assert able.wish("cam-01").intent == Intent.UPDATE.value


def test_a_second_try_knows_the_release_before_and_is_given_back_too(able: Fleet) -> None:
    rollout = start(able)
    give_up(able, "cam-01")
    able.end(Outcome.REVERTED, "cam-01")
    able.tick(1)
    able.service.retry(rollout, "alice", able.now, devices=["cam-01"])
    able.tick(1)

    again = able.wish("cam-01")
    assert (again.release_id, again.previous_release_id) == ("app/1.1", "app/1.0")
    able._say("cam-01", progress(again, able._seq("cam-01"), AttemptState.CHECKING, vacated=True))
    able.end(Outcome.FAILED, "cam-01")
    able.tick(1)

    assert able.wish("cam-01").release_id == "app/1.0"


def test_why_names_what_a_full_device_waits_for(able: Fleet) -> None:
    start(able)
    for name in ABLE:
        able._say(name, progress(able.wish(name), able._seq(name), AttemptState.CHECKING, full=True))
    able.tick(1)
    waiting = next(name for name in ABLE if not able.wish(name).activate)

    with able.rig.db.read() as session:
        assert able.service.why(session, waiting, "app", able.now) == "1 device is unavailable and the limit is 1"


def test_an_older_agent_announces_nothing() -> None:
    assert runs("app/1.0").abilities == ()


def test_one_at_a_time_unless_the_policy_says_otherwise() -> None:
    assert parse(IN_PLACE).limits.max_unavailable == 1
    assert parse(IN_PLACE + "limits: {max_unavailable: 7}").limits.max_unavailable == 7


@pytest.mark.parametrize(("seconds", "words"), [(1200.0, "20 min"), (7200.0, "2 h"), (90.0, "90 s")])
def test_spans_are_said_as_a_person_would(seconds: float, words: str) -> None:
    assert span_of(seconds) == words
