"""Verdicts: what outweighs what, and the many ways in which there is not enough to go on."""

from __future__ import annotations

import dataclasses

from surefoot_server.rollouts.gate import Against, Gate, MetricObjective, Objective, ObjectiveMetric, Scale
from surefoot_server.rollouts.judge import Counts, Look, Reading, judge
from surefoot_shared.status import Outcome, Verdict

FAILED_2 = Objective(ObjectiveMetric.FAILED, 0.02, 0.9)
ONLY_FAILED = Gate(objectives=(FAILED_2,))


def counts(members: int, due: int | None = None, **outcomes: int) -> Counts:
    due = members if due is None else due
    return Counts(members, due, due, {Outcome(name): n for name, n in outcomes.items()})


def test_twenty_devices_trip_at_two_failures_and_one_is_inconclusive() -> None:
    one = judge(ONLY_FAILED, 1, counts(20, committed=19, failed=1))
    two = judge(ONLY_FAILED, 1, counts(20, committed=18, failed=2))

    assert (one.verdict, two.verdict) == (Verdict.HOLD, Verdict.FAIL)
    assert not one.wait
    assert "not surely" in one.reason


def test_a_clean_phase_passes_without_proving_the_rate_below_its_limit() -> None:
    found = judge(ONLY_FAILED, 1, counts(20, committed=20))

    assert found.verdict is Verdict.PASS


def test_a_rate_below_its_limit_passes_although_some_failed() -> None:
    assert judge(ONLY_FAILED, 1, counts(1000, committed=985, failed=15)).verdict is Verdict.PASS


def test_a_rate_slightly_above_its_limit_in_a_large_phase_is_held() -> None:
    assert judge(ONLY_FAILED, 1, counts(1000, committed=978, failed=22)).verdict is Verdict.HOLD


def test_no_data_is_hold_and_never_pass() -> None:
    found = judge(ONLY_FAILED, 1, counts(20, due=0))

    assert (found.verdict, found.wait) == (Verdict.HOLD, True)


def test_too_few_reports_are_hold_and_may_still_come() -> None:
    found = judge(ONLY_FAILED, 1, counts(20, committed=17))

    assert (found.verdict, found.wait, found.needed) == (Verdict.HOLD, True, 18)


def test_refusals_are_no_evidence_about_the_release_and_nobody_waits_for_more_of_them() -> None:
    found = judge(ONLY_FAILED, 1, counts(20, refused=20))

    assert (found.verdict, found.wait, found.out_of_reach) == (Verdict.HOLD, False, True)
    assert found.counts.reported == 0


def test_a_few_refusals_leave_it_to_the_others() -> None:
    two, three = (judge(ONLY_FAILED, 1, counts(20, due=5, refused=n)) for n in (2, 3))

    assert (two.wait, two.out_of_reach) == (True, False)
    assert (three.wait, three.out_of_reach) == (False, True)


def test_refusals_that_a_person_let_pass_ask_for_no_report_and_prove_nothing() -> None:
    rest = judge(ONLY_FAILED, 1, counts(10, refused=4, committed=6), {"refused": 4})
    nobody = judge(ONLY_FAILED, 1, counts(10, refused=10), {"refused": 10})

    assert (rest.verdict, rest.needed) == (Verdict.PASS, 6)
    assert (nobody.verdict, nobody.out_of_reach) == (Verdict.HOLD, True)


def test_a_phase_in_which_nobody_committed_does_not_pass_on_acknowledged_failures() -> None:
    found = judge(ONLY_FAILED, 1, counts(2, failed=2), {"failed": 2})

    assert (found.verdict, found.reason) == (Verdict.HOLD, "no device has committed it")


def test_one_of_one_is_not_a_hundred_percent_where_the_policy_wants_twenty() -> None:
    found = judge(ONLY_FAILED, 20, counts(20, due=1, committed=1))

    assert (found.verdict, found.needed) == (Verdict.HOLD, 18)


def test_a_minimum_beyond_the_phase_asks_for_no_more_than_there_are() -> None:
    assert judge(ONLY_FAILED, 20, counts(3, committed=3)).verdict is Verdict.PASS


def test_a_failure_outweighs_missing_reports() -> None:
    assert judge(ONLY_FAILED, 1, counts(20, failed=2)).verdict is Verdict.FAIL


def test_acknowledged_failures_do_not_count_again_and_new_ones_do() -> None:
    seen = {"failed": 2}

    assert judge(ONLY_FAILED, 1, counts(40, committed=38, failed=2), seen).verdict is Verdict.PASS
    assert judge(ONLY_FAILED, 1, counts(40, committed=36, failed=4), seen).verdict is Verdict.HOLD
    assert judge(ONLY_FAILED, 1, counts(40, committed=35, failed=5), seen).verdict is Verdict.FAIL


FPS = MetricObjective("camera_fps", Against.CONTROL, Scale.RATIO, low=0.97, critical=True)
WITH_FPS = Gate(objectives=(FAILED_2,), metrics=(FPS,))


def look(canary: float, number: int = 1, of: int = 1, silent: int = 0) -> Look:
    """Ten devices of the canary that run at this many frames a second after 30 before, and forty controls at 30."""
    ours = tuple(
        Reading(f"c{i}", "pi", "hanoi", True, 30 + i / 100, None if i < silent else canary + i / 100) for i in range(10)
    )
    theirs = tuple(Reading(f"r{i}", "pi", "hanoi", False, 30 + i / 100, 30 + i / 99) for i in range(40))
    return Look(number, of, {FPS.key: ours + theirs})


TEN = counts(10, committed=10)


def test_a_canary_that_is_surely_slower_than_its_control_fails_although_all_committed() -> None:
    found = judge(WITH_FPS, 1, TEN, None, look(25.0))

    assert found.verdict is Verdict.FAIL
    assert "camera_fps is 0.834 times that of the control on 10 devices, surely outside at look 1 of 1" in found.reason


def test_a_canary_like_its_control_passes_and_the_reason_says_by_how_much() -> None:
    found = judge(WITH_FPS, 1, TEN, None, look(30.0))

    assert found.verdict is Verdict.PASS
    assert "camera_fps is 1 times that of the control on 10 devices" in found.reason


def test_samples_that_are_missing_are_waited_for_and_never_passed() -> None:
    few = judge(WITH_FPS, 1, TEN, None, look(30.0, silent=2))
    none = judge(WITH_FPS, 1, TEN, None, Look(1, 1, {}))

    assert (few.verdict, few.wait) == (none.verdict, none.wait) == (Verdict.HOLD, True)
    assert few.reason == "8 devices sent camera_fps, 9 are needed"


def test_what_is_not_critical_is_held_for_a_person() -> None:
    gate = Gate(objectives=(FAILED_2,), metrics=(dataclasses.replace(FPS, critical=False),))

    found = judge(gate, 1, TEN, None, look(25.0))

    assert (found.verdict, found.wait) == (Verdict.HOLD, False)


def test_a_dry_run_is_measured_and_never_counted() -> None:
    dry = dataclasses.replace(FPS, dry_run=True)
    rate = dataclasses.replace(FAILED_2, dry_run=True)

    found = judge(Gate(objectives=(rate,), metrics=(dry,)), 1, counts(10, committed=7, failed=3), None, look(25.0))

    assert found.verdict is Verdict.PASS
    assert [m.verdict for m in found.measures] == [m.verdict for m in found.metrics] == [Verdict.FAIL]


def test_without_a_look_only_outcomes_are_judged() -> None:
    assert judge(WITH_FPS, 1, TEN).metrics == ()


def test_a_metric_that_a_person_let_pass_does_not_hold_again_but_a_sure_failure_counts() -> None:
    seen = {FPS.key: 1}
    gate = Gate(objectives=(FAILED_2,), metrics=(dataclasses.replace(FPS, critical=False),))

    assert judge(gate, 1, TEN, seen, look(25.0)).verdict is Verdict.PASS
    assert judge(WITH_FPS, 1, TEN, seen, look(25.0)).verdict is Verdict.FAIL
