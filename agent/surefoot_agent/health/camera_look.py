"""Look at a camera: scrape, compare with the look before, and, where asked, stop and start the pipeline.

Promises: the first look at a start takes two views, because one shows no frozen frames; a pipeline is stopped and
started once a look until it was done `cycles` times, and only frames that came afterwards count. Drivers that work once
after a boot and not a second time are found by nothing else. The old release is never touched: a baseline only looks.
"""

from __future__ import annotations

import time
from dataclasses import replace

from surefoot_agent import scrape
from surefoot_agent.health import camera
from surefoot_agent.health.addresses import url_of
from surefoot_agent.health.scene import Finding, Memory, Scene, Seen
from surefoot_shared.errors import SurefootError
from surefoot_shared.release import HealthCheck

SECOND_LOOK_S = 0.5
"""Between the two views of a first camera look: five frames at 10 a second."""
POLL_S = 0.1


def look(check: HealthCheck, scene: Scene, memory: Memory) -> Finding:
    assert scene.running is not None, "looks.look() refuses a scene without a process"
    start_id, deadline = scene.running.start_id, time.monotonic() + check.timeout_s
    url = url_of(check, scene)
    seen = memory.camera(check.name, start_id)
    if seen is None:  # the first look: one view shows no frozen frames, so take a second
        first = _view(url, start_id, deadline)
        seen = Seen(first, first)
        time.sleep(min(SECOND_LOOK_S, check.timeout_s / 2))
    before, trouble, wanted = seen.last, "", int(float(check.params.get("cycles", 0)))
    if not scene.before and seen.cycles < wanted:
        trouble = _cycle(check, scene, start_id, deadline)
        if not trouble:
            seen = replace(seen, cycles=seen.cycles + 1)
    now = _view(url, start_id, deadline)
    memory.keep_camera(check.name, replace(seen, last=now))
    found = camera.judge(check.params, before, now, scene.known(check.name), seen.first, seen.cycles)
    problems = {**found.problems, **({"": trouble} if trouble else {})}
    fps = found.measured.get(camera.FPS, 0.0)
    words = "; ".join(f"{name}: {text}" if name else text for name, text in problems.items())
    cycles = f", stopped and started {seen.cycles} of {wanted} times" if wanted and not scene.before else ""
    return Finding(not problems, words or f"{fps:.1f} frames a second{cycles}", found.measured, broken=problems)


def _view(url: str, start_id: str, deadline: float) -> camera.View:
    left_s = max(0.05, deadline - time.monotonic())
    return camera.view(time.monotonic(), start_id, scrape.metrics(url, left_s))


def _cycle(check: HealthCheck, scene: Scene, start_id: str, deadline: float) -> str:
    """Stop and start the pipeline and wait for frames of every stream; return what went wrong, or nothing."""
    url, order = url_of(check, scene), url_of(check, scene, "cycle_url")
    before = _view(url, start_id, deadline)
    answer = scrape.get(order, max(0.05, deadline - time.monotonic()), method="POST")
    if answer.status // 100 != 2:
        return f"{order} answers {answer.status} to the order to stop and start"
    since = _view(url, start_id, deadline)
    waiting = set(before.streams)
    while time.monotonic() < deadline:
        try:
            now = _view(url, start_id, deadline)
        except SurefootError:
            now = since  # the page may be away while the pipeline is
        waiting = {name for name in before.streams if not _delivers(since, now, name)}
        if not waiting:
            return ""
        time.sleep(POLL_S)
    return f"no frame of {', '.join(sorted(waiting)) or 'the camera'} after it was stopped and started"


def _delivers(since: camera.View, now: camera.View, stream: str) -> bool:
    """Frames were processed since the order was answered; a counter that began anew counts from nothing."""
    start, end = (v.streams.get(stream, {}).get(camera.PROCESSED, 0.0) for v in (since, now))
    return end > start or 0 < end < start
