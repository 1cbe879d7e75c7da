"""A pipeline that is stopped and started, served by this very process: its start id is what the agent knows it by."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator

import pytest

from surefoot_agent.health import camera_look
from surefoot_agent.health.scene import Finding, Memory, Scene
from surefoot_agent.ports import Running
from surefoot_shared.release import CheckKind, HealthCheck
from surefoot_shared.status import SlotName

pytestmark = pytest.mark.slow


class Pipeline:
    """`dead_after` is the number of the stop and start after which no frame comes any more."""

    def __init__(self) -> None:
        self.frames, self.restarts, self.cycles, self.dead_after, self.status = 0, 0, 0, 99, 204

    def page(self) -> str:
        if self.cycles < self.dead_after:
            self.frames += 5
        return (
            f"camera_fps 10\ncamera_frames_processed_total {self.frames}\n"
            f"camera_restarts_total {self.restarts + self.cycles}\n"
        )


@pytest.fixture
def pipeline() -> Iterator[Pipeline]:
    made = Pipeline()

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, made.page())

        def do_POST(self) -> None:
            made.cycles += made.status < 300
            self._answer(made.status, "")

        def _answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.port = server.server_port  # type: ignore[attr-defined]
    yield made
    server.shutdown()
    server.server_close()


def look(pipeline: Pipeline, memory: Memory, before: bool = False, **params: str | float) -> Finding:
    base = f"http://127.0.0.1:{pipeline.port}"  # type: ignore[attr-defined]
    given = {"url": f"{base}/metrics", "cycle_url": f"{base}/restart", "cycles": 2, **params}
    running = Running("s1", os.getpid(), SlotName.B, "/app", "/", 9.0)
    check = HealthCheck("camera", CheckKind.CAMERA, timeout_s=1.5, params=given)
    return camera_look.look(check, Scene(running, None, {}, {}, tuple, before=before), memory)


def test_a_pipeline_is_stopped_and_started_once_a_look_until_it_was_done_often_enough(pipeline: Pipeline) -> None:
    memory = Memory()

    found = [look(pipeline, memory) for _ in range(3)]

    assert [f.good for f in found] == [True, True, True]
    assert [f.message for f in found] == [
        f"10.0 frames a second, stopped and started {n} of 2 times" for n in (1, 2, 2)
    ]
    assert pipeline.cycles == 2


def test_a_driver_that_works_once_and_not_a_second_time_is_found(pipeline: Pipeline) -> None:
    pipeline.dead_after, memory = 2, Memory()

    first, second = look(pipeline, memory), look(pipeline, memory)

    assert first.good
    assert (second.good, second.message) == (False, "no frame of the camera after it was stopped and started")


def test_an_application_that_does_not_take_the_order_fails_the_check(pipeline: Pipeline) -> None:
    pipeline.status = 404

    found = look(pipeline, Memory())

    assert (found.good, "answers 404 to the order" in found.message) == (False, True)


def test_the_old_release_is_only_looked_at(pipeline: Pipeline) -> None:
    assert look(pipeline, Memory(), before=True).message == "10.0 frames a second"
    assert pipeline.cycles == 0


def test_restarts_that_this_agent_ordered_do_not_count_against_the_release(pipeline: Pipeline) -> None:
    memory = Memory()
    assert all(look(pipeline, memory, max_restarts=0).good for _ in range(3))

    pipeline.restarts = 1

    assert "restarted 1 times by itself" in look(pipeline, memory, max_restarts=0).message
