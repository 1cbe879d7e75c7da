"""What many courses say together: durations, exposure and the chances of wrong verdicts, with their intervals."""

from __future__ import annotations

from surefoot_server.rollouts.forecast.answer import Forecast
from surefoot_server.rollouts.forecast.assumed import Assumed, Effect, Group, Model, Offline, Rates
from surefoot_server.rollouts.forecast.people import from_groups
from surefoot_server.rollouts.forecast.summary import forecast
from surefoot_server.rollouts.policy import parse
from surefoot_shared import wire

LADDER = "phases: [{percent: 10, min_devices: 10, bake: 1h}, {percent: 100, bake: 1h}]\n"
METRICS = LADDER + "gate: {objectives: [{metric: camera_fps, against: control, min_ratio: 0.97, critical: true}]}\n"
CLEAN = Rates(0.0, 0.0, 0.0, 0.0)
AWAKE = Offline(0.0)


def foretold(text: str, assumed: Assumed, runs: int = 2, seed: int = 1) -> Forecast:
    policy = parse(text)
    return forecast(policy, from_groups(policy, [Group(60, "pi", "s", 3)], "x"), assumed, runs, seed)


def test_a_flawless_release_succeeds_after_its_bakes() -> None:
    found = foretold(LADDER, Assumed(offline=AWAKE, healthy=Model(CLEAN)))

    assert (found.succeeds.share, found.false_halt.runs, found.held.runs) == (1.0, 0, 0)
    assert found.duration_s.p50 > 2 * 3600
    assert [p.members for p in found.phases] == [10, 50]
    assert found.phases[0].ended_s == found.phases[1].began_s


def test_a_release_that_is_plainly_bad_is_stopped_in_the_first_phase() -> None:
    found = foretold(LADDER, Assumed(offline=AWAKE, healthy=Model(CLEAN), bad=Model(Rates(0, 0, 0.9, 0))))

    assert found.missed.runs == 0
    assert found.phases[0].stopped == found.runs
    assert found.exposed.most <= 10


def test_a_flaw_that_no_objective_sees_is_missed_and_reaches_everybody() -> None:
    found = foretold(LADDER, Assumed(offline=AWAKE, healthy=Model(CLEAN), bad=Model(CLEAN)))

    assert found.missed.share == 1.0
    assert found.exposed.most == 60


def test_a_metric_that_falls_stops_a_release_in_which_every_device_commits() -> None:
    slow = Model(CLEAN, metrics={"camera_fps": Effect(0.7)})

    found = foretold(METRICS, Assumed(offline=AWAKE, healthy=Model(CLEAN), bad=slow))

    assert (found.missed.runs, found.succeeds.runs) == (0, 2)
    assert found.exposed.most <= 10


def test_few_runs_leave_a_wide_interval_and_more_a_narrow_one() -> None:
    few, many = foretold(LADDER, Assumed(), runs=2).missed, foretold(LADDER, Assumed(), runs=8).missed

    assert few.at_most > 0.8 > many.at_most
    assert few.at_least <= few.share <= few.at_most


def test_a_false_halt_is_told_with_its_commonest_reason() -> None:
    found = foretold(LADDER, Assumed(offline=AWAKE, healthy=Model(Rates(0, 0, 0.5, 0))))

    assert found.false_halt.runs > 0
    assert "reverted" in found.why_halted


def test_the_same_seed_has_the_same_answer_and_all_of_it_is_json() -> None:
    first, again = foretold(LADDER, Assumed()), foretold(LADDER, Assumed())

    assert wire.encode(first) == wire.encode(again)
    assert wire.decode(Forecast, wire.encode(first)) == first
    assert foretold(LADDER, Assumed(), seed=2) != first


def test_each_run_that_is_done_is_told() -> None:
    policy, told = parse(LADDER), []

    forecast(policy, from_groups(policy, [Group(5, "pi")], "x"), Assumed(), 3, 1, say=told.append)

    assert sum(told) == 6
