"""One look for each kind of check: what to ask the application, and whether the answer is good.

Promises: each look is over within the check's `timeout_s`; an address on this machine counts only while the
application itself holds the listening socket, so an orphan of an old release never answers for the new one.
Raises SurefootError, ValueError or OSError for a look that failed; `checks` turns them into results.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from surefoot_agent import processes, scrape
from surefoot_agent.health import camera
from surefoot_agent.ports import Running
from surefoot_shared.release import CheckKind, HealthCheck, check_tree_path

SECOND_LOOK_S = 0.5
"""Between the two views of a first camera look: five frames at 10 a second."""


@dataclass(frozen=True)
class Scene:
    """What all looks of a round share. `running` is None where no proved process of the release runs."""

    running: Running | None
    tree: Path | None
    endpoint: Mapping[str, str]
    env: Mapping[str, str]
    pids: Callable[[], Sequence[int]]
    baseline: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    good: bool
    message: str
    measured: Mapping[str, float] = field(default_factory=dict)


class Views:
    """The last camera view of each check, kept between rounds so that counters can be compared."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._views: dict[str, camera.View] = {}

    def swap(self, check: str, now: camera.View) -> camera.View | None:
        with self._lock:
            before = self._views.get(check)
            self._views[check] = now
        return before if before is not None and before.start_id == now.start_id else None


def look(check: HealthCheck, scene: Scene, views: Views) -> Finding:
    """Do what the kind of the check asks for."""
    if scene.running is None:
        return Finding(False, "the application of this release does not run from its slot")
    match check.kind:
        case CheckKind.PROCESS:
            words = f"pid {scene.running.pid} runs {scene.running.executable}"
            return Finding(True, words, {"uptime_s": scene.running.uptime_s})
        case CheckKind.HTTP:
            return _http(check, scene)
        case CheckKind.TCP:
            return _tcp(check, scene)
        case CheckKind.METRIC:
            return _metric(check, scene)
        case CheckKind.CAMERA:
            return _camera(check, scene, scene.running.start_id, views)
        case CheckKind.COMMAND:
            return _command(check, scene)


def _http(check: HealthCheck, scene: Scene) -> Finding:
    url, wanted = _url(check, scene), int(float(check.params.get("status", 200)))
    began = time.monotonic()
    answer = scrape.get(url, check.timeout_s)
    measured = {"answer_s": time.monotonic() - began}
    text = str(check.params.get("contains", ""))
    if answer.status != wanted:
        return Finding(False, f"{url} answers {answer.status}, not {wanted}", measured)
    if text.encode() not in answer.body:
        return Finding(False, f"{url} does not contain {text!r}", measured)
    return Finding(True, f"{url} answers {wanted}", measured)


def _tcp(check: HealthCheck, scene: Scene) -> Finding:
    host = str(check.params.get("host", "127.0.0.1"))
    port = int(float(_fill(str(check.params["port"]), scene)))
    if host in scrape.LOOPBACK:
        _own(port, scene)
    with socket.create_connection((host, port), check.timeout_s):
        return Finding(True, f"{host}:{port} accepts connections")


def _metric(check: HealthCheck, scene: Scene) -> Finding:
    name = str(check.params["metric"])
    found = scrape.values(scrape.metrics(_url(check, scene), check.timeout_s), name)
    if not found:
        return Finding(False, f"the application shows no {name}")
    lowest, highest = min(found), max(found)
    low, high = _bounds(check.params, scene.baseline.get(f"{check.name}.{name}"))
    measured = {name: highest if high is not None else lowest}
    if low is not None and lowest < low:
        return Finding(False, f"{name} is {lowest:g}, at least {low:g} is required", measured)
    if high is not None and highest > high:
        return Finding(False, f"{name} is {highest:g}, at most {high:g} is allowed", measured)
    return Finding(True, f"{name} is {lowest:g}", measured)


def _bounds(params: Mapping[str, str | float], before: float | None) -> tuple[float | None, float | None]:
    """Absolute bounds and those relative to the baseline, whichever is tighter."""
    lows = [float(params["min"])] if "min" in params else []
    highs = [float(params["max"])] if "max" in params else []
    if before is not None and "min_ratio" in params:
        lows.append(before * float(params["min_ratio"]))
    if before is not None and "max_ratio" in params:
        highs.append(before * float(params["max_ratio"]))
    return max(lows, default=None), min(highs, default=None)


def _camera(check: HealthCheck, scene: Scene, start_id: str, views: Views) -> Finding:
    url, deadline = _url(check, scene), time.monotonic() + check.timeout_s
    now = camera.view(time.monotonic(), start_id, scrape.metrics(url, check.timeout_s))
    before = views.swap(check.name, now)
    if before is None:  # the first look: one view shows no frozen frames, so take a second
        time.sleep(min(SECOND_LOOK_S, check.timeout_s / 2))
        before, left_s = now, max(0.05, deadline - time.monotonic())
        now = camera.view(time.monotonic(), start_id, scrape.metrics(url, left_s))
        views.swap(check.name, now)
    found = camera.judge(check.params, before, now, scene.baseline.get(f"{check.name}.camera_fps"))
    fps = found.measured.get("camera_fps", 0.0)
    return Finding(not found.problems, "; ".join(found.problems) or f"{fps:.1f} frames a second", found.measured)


def _command(check: HealthCheck, scene: Scene) -> Finding:
    """Run a program of the release in its slot; its whole process group ends with the look."""
    assert scene.tree is not None, "look() refuses a scene without a process"
    words = shlex.split(str(check.params["command"]))
    program = scene.tree / check_tree_path(words[0] if words else "")
    process = subprocess.Popen(
        [str(program), *words[1:]],
        cwd=scene.tree,
        env=dict(scene.env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=check.timeout_s)
    except subprocess.TimeoutExpired:
        return Finding(False, f"{words[0]} did not end within {check.timeout_s:g} s")
    finally:
        _end_group(process)
    last = output.decode(errors="replace").strip().rpartition("\n")[2][:200]
    code = process.returncode
    return Finding(code == 0, last or f"{words[0]} ended with {code}", {"exit_code": float(code)})


def _end_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # the whole group had ended, as it should
    finally:
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _url(check: HealthCheck, scene: Scene) -> str:
    """The check's url with the device's values filled in; on this machine the application must own its port."""
    url = _fill(str(check.params["url"]), scene)
    parts = urlsplit(url)
    if parts.hostname in scrape.LOOPBACK:
        _own(parts.port or 80, scene)
    return url


def _fill(text: str, scene: Scene) -> str:
    for name, value in scene.endpoint.items():
        text = text.replace("{" + name + "}", value)
    return text


def _own(port: int, scene: Scene) -> None:
    assert scene.running is not None, "look() refuses a scene without a process"
    if not (processes.listens(port, [scene.running.pid]) or processes.listens(port, scene.pids())):
        raise ConnectionError(f"the application does not listen on port {port}")
