from __future__ import annotations

from collections.abc import Mapping

import pytest

from surefoot_agent.health.probation import (
    HealthVerdict,
    ProbationState,
    Stage,
    begin,
    due,
    judge,
    needed_s,
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
