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

    (result,) = bench.checks.run(bench.checks.suite(other), {})

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

    assert [r.name for r in bench.checks.run(bench.checks.suite(of), {}, only={"two"})] == ["two"]


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
    results = {r.name: r for r in bench.checks.run(bench.checks.suite(of), baseline)}

    assert baseline["camera.failed"] == 1.0
    assert results["camera"].result is Check.UNKNOWN
    assert "failed before the update too" in results["camera"].message
    assert results["web"].result is Check.FAIL


def test_without_an_application_there_is_no_baseline_of_it(bench: Bench) -> None:
    bench.application.stop()

    assert bench.checks.baseline(bench.manifest(check(CheckKind.PROCESS))) == {}


def four(bench: Bench, *dead: str) -> None:
    bench.page(text="".join(f'camera_fps{{{{stream="{n}"}}}} {0 if n in dead else 10}\n' for n in "abcd"))


def test_a_stream_that_was_dead_before_excuses_no_other(bench: Bench) -> None:
    camera = check(CheckKind.CAMERA, "camera", url=URL, min_fps=8.0)
    suite = bench.checks.suite(bench.manifest(camera))
    four(bench, "b")
    baseline = bench.checks.baseline(suite.manifest)

    (same,) = bench.checks.run(suite, baseline)
    four(bench, "b", "c")
    (worse,) = bench.checks.run(suite, baseline)
    bench.page(text="nothing_of_the_kind 1\n")
    (gone,) = bench.checks.run(suite, baseline)

    assert same.result is Check.UNKNOWN
    assert (worse.result, worse.broken) == (Check.FAIL, ("stream=b", "stream=c"))
    assert worse.message.startswith("stream=c: 0.0 frames a second")
    assert "(stream=b failed before the update too)" in worse.message
    assert (gone.result, gone.message) == (Check.FAIL, "the application shows no camera_fps")


def test_streams_that_were_well_beside_a_dead_one_are_compared_with(bench: Bench) -> None:
    four(bench, "b")

    baseline = bench.checks.baseline(bench.manifest(check(CheckKind.CAMERA, "camera", url=URL)))

    assert baseline["camera.camera_fps{stream=a}"] == 10.0
    assert "camera.camera_fps{stream=b}" not in baseline
    assert baseline["camera.failed{stream=b}"] == 1.0


def local_check(bench: Bench, name: str, text: str) -> Path:
    path = bench.device_folders.own / "required.d" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_program_of_the_device_that_failed_before_is_excused_and_excuses_no_other(bench: Bench) -> None:
    old, new = local_check(bench, "10_old", "exit 1"), local_check(bench, "20_new", "exit 0")
    suite = bench.checks.suite(bench.manifest(check(CheckKind.PROCESS, "process")))
    baseline = bench.checks.baseline(suite.manifest)

    same = {r.name: r for r in bench.checks.run(suite, baseline)}["device/required.d"]
    local_check(bench, "20_new", "exit 2")
    worse = {r.name: r for r in bench.checks.run(suite, baseline)}["device/required.d"]

    assert same.result is Check.UNKNOWN
    assert (worse.result, worse.message.startswith(f"{new}: ")) == (Check.FAIL, True)
    assert [(p.name, p.result) for p in worse.parts] == [(str(old), Check.UNKNOWN), (str(new), Check.FAIL)]


def test_the_device_is_measured_before_though_nothing_runs_yet(bench: Bench) -> None:
    local_check(bench, "10_old", "exit 1")
    bench.application.stop()

    baseline = bench.checks.baseline(bench.manifest(check(CheckKind.PROCESS, "process")))

    assert [key for key in baseline if "failed{" in key] == [
        f"device/required.d.failed{{{bench.device_folders.own}/required.d/10_old}}"
    ]


def test_every_result_says_how_long_it_took(bench: Bench) -> None:
    (result,) = bench.run(check(CheckKind.COMMAND, command="bin/good"))

    assert 0 < result.took_s < 5
    assert result.output == "looked\nfine\n"
