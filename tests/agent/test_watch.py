from __future__ import annotations

import pytest

from surefoot_agent.health.probation import Stage
from surefoot_agent.ports import CheckResult, Suite
from surefoot_agent.watch import Watch
from surefoot_shared.release import CheckKind, HealthCheck, Probation
from surefoot_shared.status import Check
from tests.agent.trees import release

CHECKS = (HealthCheck("camera", CheckKind.CAMERA, interval_s=1.0), HealthCheck("http", CheckKind.HTTP, interval_s=5.0))
SUITE = Suite(release({"run": b""}, probation=Probation(startup_s=10.0, steady=1, soak_s=3.0)), CHECKS)


@pytest.fixture
def watch() -> Watch:
    return Watch(SUITE, 100.0)


def result(name: str, value: Check = Check.PASS) -> CheckResult:
    return CheckResult(name, True, value, "")


def test_a_check_on_its_way_is_not_sent_out_again_until_its_result_is_here(watch: Watch) -> None:
    assert set(watch.take_due(100.0)) == {"camera", "http"}
    assert watch.take_due(150.0) == ()

    watch.judge([result("camera")], 150.0)

    assert watch.take_due(150.5) == ()
    assert watch.take_due(151.0) == ("camera",)


def test_the_applications_own_word_ends_its_startup(watch: Watch) -> None:
    watch.judge([result("camera", Check.FAIL)], 101.0)
    assert watch.stage is Stage.STARTUP

    watch.ready(102.0)

    assert watch.stage is Stage.STEADY
    assert watch.judge([result("camera", Check.FAIL)], 103.0) is not None


def test_a_check_that_came_to_nothing_is_due_again(watch: Watch) -> None:
    watch.take_due(100.0)

    watch.lost("camera")

    assert watch.take_due(100.1) == ("camera",)


def test_soak_begins_with_the_steady_state_and_ends_in_a_verdict(watch: Watch) -> None:
    assert watch.soaked_s(101.0) == 0.0
    watch.judge([result("camera"), result("http")], 101.0)
    assert watch.stage is Stage.SOAK
    assert watch.soaked_s(103.0) == 2.0

    verdict = watch.judge([result("camera"), result("http")], 104.5)

    assert verdict is not None
    assert verdict.healthy


def test_a_failing_check_in_the_soak_is_unhealthy(watch: Watch) -> None:
    watch.judge([result("camera"), result("http")], 101.0)

    verdict = watch.judge([result("camera", Check.FAIL)], 102.0)

    assert verdict is not None
    assert (verdict.healthy, verdict.check) == (False, "camera")


def test_the_time_in_which_the_agent_was_stopped_is_no_time_of_the_release(watch: Watch) -> None:
    watch.judge([result("camera", Check.FAIL)], 101.0)

    woken = watch.judge((), 600.0)  # long after the time in which it had to become steady
    watch.judge([result("camera"), result("http")], 601.0)

    assert woken is None
    assert watch.stage is Stage.SOAK


def test_nothing_is_judged_while_nobody_can_look(watch: Watch) -> None:
    watch.take_due(100.0)
    watch.lost("camera", blind_at=101.0)

    blind = [watch.judge((), 101.0 + second) for second in range(200)]
    watch.judge([result("camera"), result("http")], 301.0)

    assert blind == [None] * 200
    assert watch.stage is Stage.SOAK
    verdict = watch.judge([result("camera"), result("http")], 305.0)
    assert verdict is not None
    assert verdict.healthy
