"""Run the camera counting application: source → background → blobs → tracks → counts, with metrics over HTTP.

The application's contract with the device: it is started in its slot with SUREFOOT_METRICS_PORT (and SUREFOOT_SLOT,
SUREFOOT_RELEASE, SUREFOOT_DATA, which it does not need), serves `/metrics` and `/healthz` on 127.0.0.1, and stops on
SIGTERM within a second. It offers its frames at SUREFOOT_FRAMES to a shadow; started with SUREFOOT_SHADOW=1 it is that
shadow, and reads them there. POST `/restart` stops and starts its pipelines. Two more come from the device's own
configuration: SUREFOOT_HW, the hardware it runs on, and CAMERA_SEED, which street it looks at. `/healthz` answers 200
as soon as a first frame was processed, 503 before.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from .frames import FrameTap, NoFrame, SharedSource, TappedSource
from .meter import Meter, page
from .scene import Frame, Street
from .settings import Settings, read_settings
from .source import FrameSource
from .tracking import LineCounter
from .vision import Background, find_blobs

BLACK_LEVEL = 16
"""Grey level that no pixel of a black frame exceeds: sensor noise stays far below."""


class Pipeline:
    """One frame in, counts and measurements out."""

    def __init__(self, settings: Settings, meter: Meter) -> None:
        self._background = Background(settings.threshold, settings.learn_ratio)
        self._counter = LineCounter(settings.line_x)
        self._meter = meter
        self._previous: Frame | None = None

    def process(self, source: FrameSource | TappedSource | SharedSource) -> None:
        """Read one frame, process it and note it."""
        delivery = source.read()
        frame, begun_s = delivery.frame, time.monotonic()
        frozen = self._previous is not None and np.array_equal(frame.pixels, self._previous.pixels)
        self._previous = frame
        mask = self._background.subtract(frame.pixels)
        if mask is not None:
            self._counter.update(find_blobs(mask))
            self._meter.counts(self._counter.counted_in, self._counter.counted_out)
        done_s = time.monotonic()
        self._meter.frame(
            captured_at_s=delivery.captured_at_s,
            done_at_s=done_s,
            inference_s=done_s - begun_s,
            dropped=delivery.dropped,
            frozen=frozen,
            black=int(frame.pixels.max()) <= BLACK_LEVEL,
        )


class Stream:
    """One camera of the application: its source and pipeline, on a thread, stopped and started by order."""

    def __init__(
        self, number: int, settings: Settings, seed: int, hw: str, ready: threading.Event, shares: Shares
    ) -> None:
        self.meter = Meter(settings.version, time.monotonic())
        self._settings, self._ready = settings, ready
        self._street = Street(seed + number, settings.line_x)
        self._dead = number == settings.dead_stream
        self._freeze_after_s = settings.freeze_after_s if settings.freezes_on(hw) else None
        self._orders, self._restarts = threading.Event(), 0
        self._shared, self._tap = shares.source_path(number), shares.tap(number)

    def restart(self) -> None:
        self._orders.set()

    def run(self, stop: threading.Event) -> None:
        """Deliver and process frames until `stop` is set."""
        while not stop.is_set():
            self._once(stop)
            if self._orders.is_set():
                self._orders.clear()
                self._restarts += 1
                self.meter.restarted()

    def _once(self, stop: threading.Event) -> None:
        """Run one pipeline until it is stopped."""
        settings, pipeline = self._settings, Pipeline(self._settings, self.meter)
        black_after_s = settings.black_after_s or None
        if self._shared:
            self._beside(pipeline, SharedSource(self._shared, stop), stop)
            return
        source: FrameSource | TappedSource = FrameSource(
            self._street, settings.fps, time.monotonic, stop.wait, self._freeze_after_s, black_after_s
        )
        if self._tap is not None:
            source = TappedSource(source, self._tap)
        dead = self._dead or -1 < settings.restarts_survived < self._restarts
        while not stop.is_set() and not self._orders.is_set():
            if dead:
                stop.wait(0.05)
                continue
            pipeline.process(source)
            self._ready.set()

    def _beside(self, pipeline: Pipeline, source: SharedSource, stop: threading.Event) -> None:
        """Process what the live application sees, until stopped."""
        with contextlib.closing(source), contextlib.suppress(NoFrame):
            while not stop.is_set() and not self._orders.is_set():
                pipeline.process(source)
                self._ready.set()


@dataclass(frozen=True)
class Shares:
    """Where frames are shared; `shadow`: this application reads them, else it offers them."""

    path: str = ""
    shadow: bool = False

    def source_path(self, number: int) -> str:
        return f"{self.path}-{number}" if self.shadow else ""

    def tap(self, number: int) -> FrameTap | None:
        if self.shadow or not self.path:
            return None
        try:
            return FrameTap(f"{self.path}-{number}")
        except OSError as error:  # a path that is too long: no shadow will see anything, and nothing else is lost
            print(f"camera-app shares no frames: {error}", flush=True)
            return None


def serve_metrics(
    port: int, meters: Mapping[str, Meter], ready: threading.Event, restart: Callable[[], None]
) -> ThreadingHTTPServer:
    """Answer on 127.0.0.1 from a thread of its own; raises OSError where the port is taken."""

    class Page(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, page(meters, time.monotonic()))
            elif self.path == "/healthz":
                self._answer(200, "ok\n") if ready.is_set() else self._answer(503, "no frame yet\n")
            else:
                self._answer(404, "try /metrics or /healthz\n")

        def do_POST(self) -> None:
            if self.path == "/restart":
                restart()
                self._answer(202, "the pipelines stop and start\n")
            else:
                self._answer(404, "try /restart\n")

        def _answer(self, status: int, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: a scrape a second is no news."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Page)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def run(tree: Path, environment: Mapping[str, str], stop: threading.Event) -> None:
    """Run until `stop` is set; raises ValueError for a wrong setting, OSError for a taken port."""
    settings = read_settings(tree)
    hw = environment.get("SUREFOOT_HW", "")
    ready, seed = threading.Event(), int(environment.get("CAMERA_SEED", "1"))
    shares = Shares(environment.get("SUREFOOT_FRAMES", ""), environment.get("SUREFOOT_SHADOW") == "1")
    streams = [Stream(number, settings, seed, hw, ready, shares) for number in range(settings.streams)]
    meters = {str(number): stream.meter for number, stream in enumerate(streams)}

    def restart() -> None:
        for stream in streams:
            stream.restart()

    server = serve_metrics(int(environment["SUREFOOT_METRICS_PORT"]), meters, ready, restart)
    print(
        f"camera-app {settings.version} on {hw or 'unknown hardware'} counts on port {server.server_port}", flush=True
    )
    others = [threading.Thread(target=stream.run, args=(stop,)) for stream in streams[1:]]
    for other in others:
        other.start()
    streams[0].run(stop)
    for other in others:
        other.join()
    server.shutdown()
    server.server_close()
    print("camera-app stopped as asked", flush=True)


def main(tree: Path) -> int:
    """The process: run until SIGTERM or SIGINT; exit 2 with one line where it cannot start."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        run(tree, os.environ, stop)
    except (KeyError, ValueError, TypeError, OSError) as error:
        print(f"camera-app cannot start: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 2
    return 0
