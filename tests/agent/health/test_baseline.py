from __future__ import annotations

from surefoot_agent.health.baseline import failed_before, measured_before
from surefoot_agent.ports import CheckResult
from surefoot_shared.status import Check


def look(name: str, good: bool, fps: float = 0.0) -> CheckResult:
    return CheckResult(name, True, Check.PASS if good else Check.FAIL, "", {"camera_fps": fps})


def test_the_last_good_look_is_what_is_compared_with() -> None:
    baseline = measured_before([[look("camera", True, 9.0)], [look("camera", True, 10.0)]], settled=True)

    assert baseline == {"camera.camera_fps": 10.0}


def test_numbers_of_a_failed_look_are_no_baseline() -> None:
    baseline = measured_before([[look("camera", True, 9.0)], [look("camera", False, 1.0)]], settled=True)

    assert baseline == {"camera.camera_fps": 9.0}


def test_a_camera_that_failed_every_look_failed_before() -> None:
    baseline = measured_before([[look("camera", False)], [look("camera", False)]], settled=True)

    assert failed_before("camera", baseline)
    assert not failed_before("other", baseline)


def test_one_bad_moment_of_the_old_release_is_no_excuse_for_the_new_one() -> None:
    baseline = measured_before([[look("camera", False)], [look("camera", True, 9.0)]], settled=True)

    assert not failed_before("camera", baseline)


def test_an_old_release_that_was_still_starting_is_no_excuse() -> None:
    assert not failed_before("camera", measured_before([[look("camera", False)]], settled=False))


def test_without_any_look_there_is_no_baseline() -> None:
    assert measured_before([], settled=True) == {}
