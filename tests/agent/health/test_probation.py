from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent.health.local import DeviceCheck
from surefoot_agent.health.probation import (
    HealthVerdict,
    ProbationState,
    Stage,
    begin,
    due,
    judge,
    needed_s,
    ready,
)
from surefoot_agent.ports import CheckResult, Suite
from surefoot_shared.release import CheckKind, HealthCheck, Probation
from surefoot_shared.status import Check
from tests.agent.trees import release

RULES = Probation(startup_s=10, steady=3, soak_s=20)
CAMERA = HealthCheck("camera", CheckKind.CAMERA, interval_s=1, timeout_s=1)
PROCESS = HealthCheck("process", CheckKind.PROCESS, interval_s=1, timeout_s=1)
WANTED = HealthCheck("uplink", CheckKind.HTTP, required=False, interval_s=5, timeout_s=1)


def manifest(*checks: HealthCheck, rules: Probation = RULES) -> Suite:
    return Suite(release({}, probation=rules), checks)


def result(name: str, found: Check, required: bool = True) -> CheckResult:
    return CheckResult(name, required, found, f"{name} says {found.value}", {"fps": 9.0})


def play(
    of: Suite, rounds: Mapping[float, str], state: ProbationState | None = None
) -> tuple[ProbationState, HealthVerdict | None, float]:
    """Give each check of `of` one letter a round: p(ass), f(ail), u(nknown), - (no result). Stop at the verdict."""
    letters = {"p": Check.PASS, "f": Check.FAIL, "u": Check.UNKNOWN}
    state, verdict, at = state or begin(0.0), None, 0.0
    for at, given in rounds.items():
        pairs = zip(of.checks, given.split(), strict=True)
        results = [result(c.name, letters[x], c.required) for c, x in pairs if x != "-"]
        state, verdict = judge(of, state, results, at)
        if verdict is not None:
            break
    return state, verdict, at


def each_second(pattern: str, seconds: int, start: int = 1) -> dict[float, str]:
    return {float(at): pattern for at in range(start, start + seconds)}


def test_a_release_that_is_well_is_healthy_after_steady_and_soak() -> None:
    state, verdict, at = play(manifest(CAMERA, PROCESS), each_second("p p", 100))

    assert verdict is not None
    assert verdict.healthy
    assert (at, verdict.soak_s, state.stage) == (23.0, 20.0, Stage.SOAK)


def test_failures_in_startup_do_not_count() -> None:
    rounds = {**each_second("f f", 9), **each_second("p p", 100, start=10)}

    _, verdict, at = play(manifest(CAMERA, PROCESS), rounds)

    assert verdict is not None
    assert verdict.healthy
    assert at == 32.0


def test_one_failure_breaks_the_row_of_passes_that_ends_startup() -> None:
    state, verdict, _ = play(manifest(CAMERA), {1: "p", 2: "p", 3: "f", 4: "p", 5: "p"})

    assert (state.stage, verdict) == (Stage.STARTUP, None)


def test_a_required_check_that_fails_after_startup_is_unhealthy_with_its_message() -> None:
    _, verdict, at = play(manifest(CAMERA, PROCESS), each_second("f p", 100))

    assert verdict is not None
    assert (verdict.healthy, verdict.check, at) == (False, "camera", 11.0)
    assert "camera says fail" in verdict.message
    assert verdict.measured == {"fps": 9.0}


def test_a_failure_in_the_soak_is_unhealthy_even_within_startup_time() -> None:
    _, verdict, at = play(manifest(CAMERA), {1: "p", 2: "p", 3: "p", 4: "f"})

    assert verdict is not None
    assert (verdict.healthy, at) == (False, 4.0)


def test_k_of_n_forgives_what_it_allows_and_no_more() -> None:
    lenient = HealthCheck("camera", CheckKind.CAMERA, interval_s=1, timeout_s=1, k=3, n=5)
    soak = {**each_second("p", 3), 4.0: "f", 5.0: "f", 6.0: "p", 7.0: "p", 8.0: "p"}

    state, forgiven, _ = play(manifest(lenient), soak)
    _, verdict, at = play(manifest(lenient), {9.0: "f", 10.0: "f", 11.0: "f"}, state)

    assert forgiven is None
    assert verdict is not None
    assert (verdict.healthy, at) == (False, 11.0)
    assert "3 of 5 looks failed" in verdict.message


def test_failures_that_fell_out_of_the_window_are_forgotten() -> None:
    lenient = HealthCheck("camera", CheckKind.CAMERA, interval_s=1, timeout_s=1, k=2, n=3)
    rounds = {float(at): "f" if at % 3 == 0 and at > 3 else "p" for at in range(1, 40)}

    _, verdict, _ = play(manifest(lenient), rounds)

    assert verdict is not None
    assert verdict.healthy


def test_a_wanted_check_never_decides() -> None:
    _, verdict, _ = play(manifest(CAMERA, WANTED), each_second("p f", 100))

    assert verdict is not None
    assert verdict.healthy


def test_a_wanted_check_that_fails_is_told_with_the_healthy_verdict() -> None:
    checks = (HealthCheck("alive", CheckKind.PROCESS), HealthCheck("fps", CheckKind.PROCESS, required=False))
    suite, state, verdict = manifest(*checks), begin(0.0), None

    for second in range(1, 60):
        results = [result("alive", Check.PASS), result("fps", Check.FAIL, required=False)]
        state, verdict = judge(suite, state, results, float(second))
        if verdict is not None:
            break

    assert verdict is not None
    assert verdict.healthy
    assert verdict.doubt.startswith("Wanted check fps fails: ")


def test_a_check_excused_by_the_baseline_holds_nothing_up() -> None:
    _, verdict, at = play(manifest(CAMERA, PROCESS), each_second("u p", 100))

    assert verdict is not None
    assert verdict.healthy
    assert at == 23.0


def test_a_required_check_that_never_reports_is_unhealthy_in_the_end() -> None:
    _, verdict, _ = play(manifest(CAMERA, PROCESS), each_second("- p", 200))

    assert verdict is not None
    assert (verdict.healthy, verdict.check) == (False, "camera")
    assert "never gave a result" in verdict.message


def test_a_check_that_falls_silent_in_the_soak_never_commits() -> None:
    _, verdict, _ = play(manifest(CAMERA), {**each_second("p", 5), **each_second("-", 200, start=6)})

    assert verdict is not None
    assert not verdict.healthy


def test_time_alone_ends_a_probation_without_any_result() -> None:
    _, verdict = judge(manifest(CAMERA), begin(0.0), [], 10_000.0)

    assert verdict is not None
    assert not verdict.healthy


def test_flapping_that_never_becomes_steady_is_unhealthy() -> None:
    lenient = HealthCheck("camera", CheckKind.CAMERA, interval_s=1, timeout_s=1, k=1, n=100)

    _, verdict, _ = play(manifest(lenient), {float(at): "p" if at % 2 else "f" for at in range(1, 200)})

    assert verdict is not None
    assert "3 times in a row" in verdict.message


def test_a_release_without_required_checks_only_soaks() -> None:
    _, verdict, at = play(manifest(), {float(at): "" for at in range(1, 100)})

    assert verdict is not None
    assert (verdict.healthy, at) == (True, 21.0)


def test_a_soak_of_nothing_is_healthy_as_soon_as_it_is_steady() -> None:
    _, verdict, at = play(manifest(CAMERA, rules=Probation(10, 3, 0)), each_second("p", 10))

    assert verdict is not None
    assert (verdict.healthy, at) == (True, 3.0)


def test_each_check_is_due_at_its_own_interval() -> None:
    of = manifest(CAMERA, WANTED)
    first = due(of, begin(0.0), 0.0)
    state, _ = judge(of, begin(0.0), [result("camera", Check.PASS), result("uplink", Check.PASS, False)], 0.0)

    assert first == ("camera", "uplink")
    assert (due(of, state, 0.5), due(of, state, 1.0), due(of, state, 5.0)) == ((), ("camera",), ("camera", "uplink"))


def test_the_same_values_always_give_the_same_verdict() -> None:
    of, state = manifest(CAMERA), begin(0.0)

    assert judge(of, state, [result("camera", Check.PASS)], 1.0) == judge(
        of, state, [result("camera", Check.PASS)], 1.0
    )
    assert state == begin(0.0)


@pytest.mark.parametrize("rounds", [each_second("p", 200), each_second("f", 200), each_second("-", 200)])
def test_every_probation_ends_within_the_time_it_is_said_to_need(rounds: dict[float, str]) -> None:
    of = manifest(CAMERA)

    _, verdict, at = play(of, rounds)

    assert verdict is not None
    assert at <= needed_s(of)


def test_a_release_that_is_ready_has_its_failures_counted_and_less_time_to_become_steady() -> None:
    of = manifest(CAMERA)
    state, verdict, _ = play(of, {1.0: "f", 2.0: "f"})
    assert verdict is None

    state = ready(of, state, 3.0)
    _, verdict, at = play(of, {4.0: "-", 30.0: "-"}, state)

    assert state.stage is Stage.STEADY
    assert verdict is not None
    assert not verdict.healthy
    assert at < RULES.startup_s + 2 * RULES.steady * 2.0 + 15
    assert play(of, {4.0: "f"}, state)[1] is not None


def test_ready_changes_nothing_once_startup_is_over() -> None:
    of = manifest(CAMERA)
    state, _, _ = play(of, each_second("p", 5))
    assert state.stage is Stage.SOAK

    assert ready(of, state, 6.0) == state


FOLDER = DeviceCheck(
    "device/required.d", CheckKind.COMMAND, interval_s=60, timeout_s=20, programs=(Path("/x"), Path("/y"))
)
UPLINK = DeviceCheck("uplink", CheckKind.UPLINK, interval_s=5, timeout_s=10, window_s=60)


def test_a_check_of_the_device_must_pass_once_and_its_failure_decides() -> None:
    _, good, at = play(manifest(CAMERA, FOLDER), {1: "p p", **each_second("p -", 60, start=2)})
    _, bad, _ = play(manifest(CAMERA, FOLDER), {1: "p p", **each_second("p -", 5, start=2), 12.0: "p f"})

    assert good is not None
    assert (good.healthy, at) == (True, 23.0)
    assert bad is not None
    assert (bad.healthy, bad.check) == (False, "device/required.d")


def test_a_check_of_the_device_is_repeated_soon_until_it_passed_and_seldom_afterwards() -> None:
    of = manifest(FOLDER)
    state, _ = judge(of, begin(0.0), [result(FOLDER.name, Check.FAIL)], 1.0)
    assert due(of, state, 6.0) == (FOLDER.name,)

    state, _ = judge(of, state, [result(FOLDER.name, Check.PASS)], 6.0)

    assert due(of, state, 60.0) == ()
    assert due(of, state, 66.0) == (FOLDER.name,)


def test_programs_of_the_device_count_in_what_a_probation_needs() -> None:
    alone, with_folder = needed_s(manifest(CAMERA)), needed_s(manifest(CAMERA, FOLDER))

    assert (alone, with_folder) == (5 + 10 + 12 + 20, 5 + 10 + 50 + 20)


def test_an_uplink_that_is_down_at_first_costs_nothing_and_holds_up_nothing() -> None:
    rounds = {**each_second("p f", 20), **each_second("p p", 20, start=21)}

    _, verdict, at = play(manifest(CAMERA, UPLINK), rounds)

    assert verdict is not None
    assert (verdict.healthy, at) == (True, 23.0)


def test_a_soak_that_is_over_waits_for_the_uplink_to_the_end_of_its_window() -> None:
    _, late, late_at = play(manifest(CAMERA, UPLINK), {**each_second("p f", 49), **each_second("p p", 20, start=50)})
    _, never, never_at = play(manifest(CAMERA, UPLINK), each_second("p f", 100))

    assert late is not None
    assert never is not None
    assert (late.healthy, late_at) == (True, 50.0)
    assert (never.healthy, never.check, never_at) == (False, "uplink", 60.0)
    assert "did not hold within 60 s after the switch" in never.message


def test_an_uplink_that_says_nothing_against_the_release_lets_it_pass_with_a_doubt() -> None:
    _, verdict, at = play(manifest(CAMERA, UPLINK), each_second("p u", 100))

    assert verdict is not None
    assert (verdict.healthy, at, verdict.doubt) == (True, 23.0, "Check uplink decided nothing: uplink says unknown.")


def test_a_release_that_says_that_it_is_ready_does_not_shorten_the_window_of_the_uplink() -> None:
    of = manifest(CAMERA, UPLINK)
    state = ready(of, begin(0.0), 1.0)

    _, verdict, at = play(of, each_second("p f", 100, start=2), state)

    assert verdict is not None
    assert at == 60.0


def test_a_window_counts_in_what_a_probation_needs_and_not_twice() -> None:
    assert needed_s(manifest(CAMERA, UPLINK)) == 65.0
    assert needed_s(manifest(CAMERA, replace(UPLINK, window_s=10))) == needed_s(manifest(CAMERA))


def test_the_verdict_holds_every_check_programs_one_by_one_the_failing_ones_first() -> None:
    parts = (result("/x", Check.PASS), replace(result("/y", Check.FAIL), output="a" * 5000, took_s=0.5))
    folder = replace(result(FOLDER.name, Check.FAIL), parts=parts)
    of, state = manifest(CAMERA, FOLDER), replace(begin(0.0), stage=Stage.STEADY)

    _, verdict = judge(of, state, [result("camera", Check.PASS), folder], 20.0)

    assert verdict is not None
    assert [(c.name, c.result) for c in verdict.checks] == [
        ("/y", Check.FAIL),
        ("camera", Check.PASS),
        ("/x", Check.PASS),
    ]
    assert (verdict.checks[0].took_s, len(verdict.checks[0].output)) == (0.5, 2048)
