"""Simulated checks are judged by the agent's own judges: bands, baselines and the excuse of what was broken before."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_agent import ports
from surefoot_agent.health import camera, metric
from surefoot_shared.release import CheckKind, HealthCheck
from surefoot_shared.status import Check, SlotName
from surefoot_simulators.device import health
from surefoot_simulators.device.conduct import Conduct
from surefoot_simulators.device.health import SimHealth
from tests.agent.test_ports import methods
from tests.simulators.device.test_application import Place

URL: dict[str, str | float] = {"url": "http://127.0.0.1:1/metrics"}
CAMERA = HealthCheck("camera", CheckKind.CAMERA, params={**URL, "min_fps": 5.0, "min_fps_ratio": 0.8})
LATENCY = HealthCheck("latency", CheckKind.METRIC, params={**URL, "metric": "inference_p95_s", "max": 0.1})
UPLINK = HealthCheck("uplink", CheckKind.UPLINK)


class Looked(Place):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.figures = {"camera_fps": 25.0, "inference_p95_s": 0.04}
        self.up = True
        self.health = SimHealth(self.board, self.process, self.slots, lambda: self.figures, lambda: self.up)
        self.process.start(SlotName.A, self.manifest)
        self.t = 100.0

    def result(self, check: HealthCheck, baseline: dict[str, float] | None = None) -> Check:
        suite = ports.Suite(self.manifest, (check,))
        return self.health.run(suite, baseline or {})[0].result


@pytest.fixture
def looked(tmp_path: Path) -> Looked:
    return Looked(tmp_path)


def test_it_has_every_method_of_its_port_and_judges_with_the_agents_modules() -> None:
    assert methods(ports.Health).keys() <= methods(SimHealth).keys()
    assert (vars(health)["camera"], vars(health)["metric"]) == (camera, metric)


def test_good_figures_pass_and_bad_ones_fail(looked: Looked) -> None:
    assert [looked.result(check) for check in (CAMERA, LATENCY, UPLINK)] == [Check.PASS] * 3

    looked.figures, looked.up = {"camera_fps": 2.0, "inference_p95_s": 0.4}, False
    assert [looked.result(check) for check in (CAMERA, LATENCY, UPLINK)] == [Check.FAIL] * 3


def test_a_camera_is_compared_with_what_it_was_before(looked: Looked) -> None:
    baseline = {"camera.camera_fps": 40.0}

    assert looked.result(CAMERA, baseline) is Check.FAIL


def test_what_was_broken_before_is_excused(looked: Looked) -> None:
    looked.figures = {"camera_fps": 0.0, "inference_p95_s": 0.04}

    assert looked.result(CAMERA, {"camera.failed": 1.0}) is Check.UNKNOWN


def test_a_check_that_the_scenario_lets_fail_fails_from_then_on(looked: Looked) -> None:
    looked.conduct = Conduct(fails="latency", fails_after_s=150.0)
    before = looked.result(LATENCY)
    looked.t = 200.0

    assert (before, looked.result(LATENCY)) == (Check.PASS, Check.FAIL)


def test_nothing_is_judged_of_a_release_that_does_not_run(looked: Looked) -> None:
    looked.process.lose()

    assert looked.result(LATENCY) is Check.FAIL


def test_what_a_simulated_device_has_nothing_for_passes_unless_it_is_told_to_fail(looked: Looked) -> None:
    heat = HealthCheck("heat", CheckKind.METRIC, params={"metric": "soc_temperature_c", "max": 80.0})
    labelled = HealthCheck("left", CheckKind.METRIC, params={"metric": "camera_fps", "labels": "stream=l", "min": 99.0})
    answers = HealthCheck("answers", CheckKind.HTTP, params=URL)

    assert [health.is_looked_at(check) for check in (CAMERA, LATENCY, UPLINK)] == [True] * 3
    assert [health.is_looked_at(check) for check in (heat, labelled, answers)] == [False] * 3
    assert [looked.result(check) for check in (heat, labelled, answers)] == [Check.PASS] * 3
    looked.conduct = Conduct(fails="heat")
    assert looked.result(heat) is Check.FAIL
