from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent.health import checks
from surefoot_shared.release import CheckKind
from surefoot_shared.status import Check
from tests.agent.health.bench import URL, Bench, check

pytestmark = pytest.mark.slow


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.start()
    yield bench
    bench.application.stop()


def test_a_process_of_another_release_does_not_answer_for_this_one(bench: Bench) -> None:
    other = replace(bench.manifest(check(CheckKind.PROCESS)), version="2.0")

    (result,) = bench.checks.run(other, {})

    assert result.result is Check.FAIL


def test_checks_run_at_the_same_time_and_none_stops_another(bench: Bench) -> None:
    hanging = [check(CheckKind.COMMAND, f"hang-{n}", timeout_s=1.0, command="bin/hang") for n in range(5)]
    began = time.monotonic()

    results = bench.run(*hanging, check(CheckKind.HTTP, "web"), check(CheckKind.PROCESS, "process"))

    assert time.monotonic() - began < 4
    assert [r.result for r in results] == [Check.FAIL] * 6 + [Check.PASS]


def test_a_look_that_never_ends_is_a_failure_and_not_started_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, leave = [], threading.Event()
    monkeypatch.setattr(checks, "look", lambda *_: started.append(1) or leave.wait(20))
    stuck = check(CheckKind.PROCESS, timeout_s=0.1)

    first, second = bench.one(stuck), bench.one(stuck)
    leave.set()

    assert first == (Check.FAIL, "no result within 0.1 s")
    assert second == (Check.FAIL, "an earlier look still hangs")
    assert started == [1]


def test_only_the_checks_that_are_asked_for_run(bench: Bench) -> None:
    of = bench.manifest(check(CheckKind.PROCESS, "one"), check(CheckKind.HTTP, "two", url=URL))

    assert [r.name for r in bench.checks.run(of, {}, only={"two"})] == ["two"]


def test_the_baseline_measures_what_runs_whatever_release_it_is(bench: Bench) -> None:
    fps = check(CheckKind.METRIC, "fps", url=URL, metric="camera_fps")
    newer = replace(bench.manifest(fps), version="2.0")

    assert bench.checks.baseline(newer) == {"fps.camera_fps": 10.0}


def test_a_camera_that_was_dead_before_is_excused_and_a_dead_process_never(bench: Bench) -> None:
    bench.page(text="camera_fps 0\n")
    camera = check(CheckKind.CAMERA, "camera", url=URL, min_fps=8.0)
    web = check(CheckKind.HTTP, "web", url="http://127.0.0.1:{metrics_port}/absent")
    of = bench.manifest(camera, web)

    baseline = bench.checks.baseline(of)
    results = {r.name: r for r in bench.checks.run(of, baseline)}

    assert baseline["camera.failed"] == 1.0
    assert results["camera"].result is Check.UNKNOWN
    assert "failed before the update too" in results["camera"].message
    assert results["web"].result is Check.FAIL


def test_without_an_application_there_is_no_baseline(bench: Bench) -> None:
    bench.application.stop()

    assert bench.checks.baseline(bench.manifest(check(CheckKind.PROCESS))) == {}
