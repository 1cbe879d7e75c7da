from __future__ import annotations

from surefoot_agent.health.camera import View
from surefoot_agent.health.scene import Memory, Scene, Seen


def test_the_baseline_of_a_check_is_told_by_metric_and_that_of_another_is_not() -> None:
    scene = Scene(None, None, {}, {}, tuple, {"camera.camera_fps": 9.0, "camera-2.camera_fps": 1.0})

    assert scene.known("camera") == {"camera_fps": 9.0}


def test_what_was_seen_at_another_start_is_forgotten() -> None:
    memory, first = Memory(), View(1.0, "s1", {})
    memory.keep_camera("camera", Seen(first, first, 2))

    assert memory.camera("camera", "s1") == Seen(first, first, 2)
    assert memory.camera("camera", "s2") is None
    assert memory.camera("other", "s1") is None


def test_the_first_count_of_restarts_stays_the_first() -> None:
    memory = Memory()

    assert [memory.first_restarts("a", n) for n in (3.0, 4.0)] == [3.0, 3.0]
    assert memory.first_restarts("b", 9.0) == 9.0
