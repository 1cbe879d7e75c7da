"""One look for each kind of check: what to ask the application, and whether the answer is good.

Promises: each look is over within the check's `timeout_s`. Raises SurefootError, ValueError or OSError for a look that
failed; `checks` turns them into results. What needs the application fails where no process of the release is proved to
run; units and the device's own numbers are looked at in any case.
"""

from __future__ import annotations

import socket
import time

from surefoot_agent import scrape
from surefoot_agent.health import camera_look, metric, programs, unit
from surefoot_agent.health.addresses import fill, own, url_of
from surefoot_agent.health.scene import Finding, Memory, Scene
from surefoot_agent.ports import Running
from surefoot_shared.release import CheckKind, HealthCheck

ABSENT = "the application of this release does not run from its slot"


def look(check: HealthCheck, scene: Scene, memory: Memory) -> Finding:
    """Do what the kind of the check asks for."""
    if scene.running is None and of_application(check):
        return Finding(False, ABSENT)
    match check.kind:
        case CheckKind.PROCESS:
            return _process(check, scene)
        case CheckKind.HTTP:
            return _http(check, scene)
        case CheckKind.TCP:
            return _tcp(check, scene)
        case CheckKind.METRIC:
            return metric.look(check, scene)
        case CheckKind.CAMERA:
            return camera_look.look(check, scene, memory)
        case CheckKind.COMMAND:
            return programs.look(check, scene)
        case CheckKind.UNIT:
            return unit.look(check, memory)
        case CheckKind.UPLINK:
            return Finding(False, "this agent has no way to look at its uplink")


def of_application(check: HealthCheck) -> bool:
    """Whether a check looks at the application; the others look at the device."""
    if check.kind is CheckKind.METRIC:
        return "url" in check.params
    return check.kind not in (CheckKind.UNIT, CheckKind.UPLINK)


def _process(check: HealthCheck, scene: Scene) -> Finding:
    running = _running(scene)
    living = max(1, len(set(scene.pids()) | {running.pid}))
    measured = {"uptime_s": running.uptime_s, "processes": float(living)}
    if living < float(check.params.get("min_processes", 1)):
        return Finding(False, f"{living} processes of the application live, too few", measured)
    if running.uptime_s < float(check.params.get("min_uptime_s", 0.0)):
        wanted = float(check.params["min_uptime_s"])
        return Finding(False, f"pid {running.pid} runs for {running.uptime_s:.1f} s, {wanted:g} s required", measured)
    return Finding(True, f"pid {running.pid} runs {running.executable}", measured)


def _http(check: HealthCheck, scene: Scene) -> Finding:
    url, wanted = url_of(check, scene), int(float(check.params.get("status", 200)))
    began = time.monotonic()
    answer = scrape.get(url, check.timeout_s)
    measured = {"answer_s": time.monotonic() - began}
    text = str(check.params.get("contains", ""))
    if answer.status != wanted:
        return Finding(False, f"{url} answers {answer.status}, not {wanted}", measured, _text(answer))
    if text.encode() not in answer.body:
        return Finding(False, f"{url} does not contain {text!r}", measured, _text(answer))
    limit_s = _longest_s(check, scene)
    if limit_s is not None and measured["answer_s"] > limit_s:
        words = f"{url} answers after {measured['answer_s']:.3f} s, {limit_s:.3f} s allowed"
        return Finding(False, words, measured)
    return Finding(True, f"{url} answers {wanted}", measured)


def _longest_s(check: HealthCheck, scene: Scene) -> float | None:
    limits = [float(check.params["max_answer_s"])] if "max_answer_s" in check.params else []
    before = scene.known(check.name).get("answer_s")
    if before is not None and "max_answer_ratio" in check.params:
        limits.append(before * float(check.params["max_answer_ratio"]))
    return min(limits, default=None)


def _text(answer: scrape.Answer) -> str:
    return answer.body[: programs.OUTPUT_BYTES].decode(errors="replace")


def _tcp(check: HealthCheck, scene: Scene) -> Finding:
    host = str(check.params.get("host", "127.0.0.1"))
    port = int(float(fill(str(check.params["port"]), scene)))
    if host in scrape.LOOPBACK:
        own(port, scene)
    with socket.create_connection((host, port), check.timeout_s):
        return Finding(True, f"{host}:{port} accepts connections")


def _running(scene: Scene) -> Running:
    assert scene.running is not None, "look() refuses a scene without a process"
    return scene.running
