from __future__ import annotations

import http.server
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_agent import guard
from surefoot_shared.release import CheckKind
from surefoot_shared.status import Check
from tests.agent.apps import SLEEPER, until
from tests.agent.health.bench import URL, Bench, check

pytestmark = pytest.mark.slow


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.start()
    yield bench
    bench.application.stop()


def test_an_orphan_on_the_port_does_not_answer_for_the_application(bench: Bench) -> None:
    bench.application.stop()
    port = bench.application.metrics_port

    with http.server.HTTPServer(("127.0.0.1", port), http.server.BaseHTTPRequestHandler):
        bench.start(SLEEPER)
        found = bench.one(check(CheckKind.TCP, port=port))

    assert found == (Check.FAIL, f"the application does not listen on port {port}")


def test_the_process_check_names_the_pid_it_has_proved(bench: Bench) -> None:
    running = bench.application.running()
    assert running is not None

    found, message = bench.one(check(CheckKind.PROCESS))

    assert found is Check.PASS
    assert str(running.pid) in message


@pytest.mark.parametrize("kind", [kind for kind in CheckKind if kind not in (CheckKind.UNIT, CheckKind.UPLINK)])
def test_no_check_passes_while_nothing_of_the_release_runs(bench: Bench, kind: CheckKind) -> None:
    bench.application.stop()

    found, message = bench.one(check(kind, url=URL, port=1, metric="x", command="bin/good"))

    assert found is Check.FAIL
    assert "does not run" in message


@pytest.mark.parametrize(
    ("params", "found", "words"),
    [
        ({"url": URL}, Check.PASS, "answers 200"),
        ({"url": URL, "contains": "camera_fps"}, Check.PASS, "answers 200"),
        ({"url": URL, "contains": "unicorn"}, Check.FAIL, "unicorn"),
        ({"url": "http://127.0.0.1:{metrics_port}/absent"}, Check.FAIL, "404"),
        ({"url": "http://127.0.0.1:{metrics_port}/absent", "status": 404}, Check.PASS, "404"),
        ({"url": "http://127.0.0.1:1/metrics"}, Check.FAIL, "does not listen on port 1"),
        ({}, Check.FAIL, "no parameter 'url'"),
        ({"url": "gopher://x"}, Check.FAIL, "no http address"),
    ],
)
def test_http_checks(bench: Bench, params: dict[str, str | float], found: Check, words: str) -> None:
    result, message = bench.one(check(CheckKind.HTTP, **params))

    assert (result, words in message) == (found, True), message


def test_a_tcp_check_connects_to_the_applications_own_port(bench: Bench) -> None:
    assert bench.one(check(CheckKind.TCP, port="{metrics_port}"))[0] is Check.PASS
    assert bench.one(check(CheckKind.TCP, port="not a port"))[0] is Check.FAIL


@pytest.mark.parametrize(
    ("params", "baseline", "found"),
    [
        ({"min": 9}, {}, Check.PASS),
        ({"min": 11}, {}, Check.FAIL),
        ({"max": 9}, {}, Check.FAIL),
        ({"min_ratio": 0.9}, {"c.camera_fps": 11.0}, Check.PASS),
        ({"min_ratio": 0.9}, {"c.camera_fps": 12.0}, Check.FAIL),
        ({"max_ratio": 1.1}, {"c.camera_fps": 8.0}, Check.FAIL),
        ({"max_ratio": 1.1}, {}, Check.PASS),
        ({"metric": "unknown_metric"}, {}, Check.FAIL),
        ({"min": "high"}, {}, Check.FAIL),
    ],
)
def test_metric_bounds(bench: Bench, params: dict[str, str | float], baseline: dict[str, float], found: Check) -> None:
    with_name = {"url": URL, "metric": "camera_fps", **params}

    (result,) = bench.run(check(CheckKind.METRIC, **with_name), baseline=baseline)

    assert result.result is found, result.message


def test_a_camera_that_freezes_after_its_start_is_found_by_the_next_look(bench: Bench) -> None:
    camera = check(CheckKind.CAMERA, url=URL, max_frame_age_s=2.0)
    bench.one(camera)

    bench.page(frozen=0)
    before = bench.one(camera)
    bench.page(frozen=10)
    after = bench.one(camera)

    assert before[0] is Check.PASS
    assert after == (Check.FAIL, "frozen frames: 10 of 10 frames are identical to the one before")


def test_a_first_look_at_a_camera_takes_two_views(bench: Bench) -> None:
    camera = check(CheckKind.CAMERA, url=URL, min_fps=8.0)

    found, message = bench.one(camera)

    assert found is Check.FAIL
    assert "no frame was processed" in message


@pytest.mark.parametrize(
    ("command", "found", "words"),
    [
        ("bin/good", Check.PASS, "fine"),
        ("bin/bad", Check.FAIL, "lens is dirty"),
        ("bin/absent", Check.FAIL, "the signed manifest does not list it"),
        ("../../../bin/true", Check.FAIL, "not a path inside the tree"),
        ("/bin/true", Check.FAIL, "not a path inside the tree"),
        ("", Check.FAIL, "not a path inside the tree"),
    ],
)
def test_command_checks(bench: Bench, command: str, found: Check, words: str) -> None:
    result, message = bench.one(check(CheckKind.COMMAND, command=command))

    assert (result, words in message) == (found, True), message


def test_a_command_that_hangs_is_ended_with_its_children(bench: Bench) -> None:
    result, message = bench.one(check(CheckKind.COMMAND, timeout_s=0.5, command="bin/hang"))

    assert (result, "did not end" in message) == (Check.FAIL, True)
    child = int(bench.pidfile.read_text())
    until(lambda: guard.start_ticks(child) is None, "the command's child to end")


def test_a_process_that_is_too_young_or_alone_is_told(bench: Bench) -> None:
    young = bench.one(check(CheckKind.PROCESS, min_uptime_s=3600))
    alone = bench.one(check(CheckKind.PROCESS, min_processes=2))

    assert (young[0], "3600 s required" in young[1]) == (Check.FAIL, True)
    assert (alone[0], "too few" in alone[1]) == (Check.FAIL, True)


def test_an_answer_that_takes_longer_than_before_the_update_is_told(bench: Bench) -> None:
    web = check(CheckKind.HTTP, url=URL, max_answer_ratio=1.5)

    (slower,) = bench.run(web, baseline={"c.answer_s": 1e-9})
    (unknown,) = bench.run(web, baseline={})

    assert (slower.result, "allowed" in slower.message) == (Check.FAIL, True)
    assert unknown.result is Check.PASS


def test_the_page_that_was_wrong_is_kept_for_the_report(bench: Bench) -> None:
    bench.page(text="lens is dirty")

    (result,) = bench.run(check(CheckKind.HTTP, url=URL, contains="unicorn"))

    assert result.output == "lens is dirty"


def test_the_devices_own_numbers_are_judged_without_an_application(bench: Bench) -> None:
    bench.application.stop()
    bench.node = {"soc_temperature_c": 91.0}

    found = bench.one(check(CheckKind.METRIC, metric="soc_temperature_c", max=85))

    assert found == (Check.FAIL, "soc_temperature_c is 91, at most 85 is allowed")
