"""What the console costs those who look at it: bytes of each page, the time from an event to the page, and the stop.

Promises: the real server with devices at work, and a real browser (Debian's chromium) in front of its pages; a page is
loaded with nothing kept, and everything it fetches counts; an event begins with the time in its own record, before its
transaction, and ends when the line stands in the page.
"""

from __future__ import annotations

import functools
import http.client
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from surefoot_server.console.navigation import entries
from surefoot_shared.errors import Unreachable
from surefoot_simulators.bench.figures import Figure
from surefoot_simulators.fleet.crowd import Crowd
from surefoot_simulators.fleet.devices import Fate

if TYPE_CHECKING:  # a program for tests: who only simulates needs no browser
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
DEVICES = 40
ACTS = 30
"""Pauses and resumptions, each a line on the page."""
STREAMS = 50
GOAL_KB = 100.0
GOAL_MS = 50.0
GOAL_STOP_S = 3.0
POLICY = "phases:\n  - {name: canary, percent: 50, bake: 1h}\n  - {percent: 100, bake: 1h}\n"
WATCH = """
window.lines = [];
new MutationObserver((changes) => {
  for (const change of changes) for (const node of change.addedNodes)
    if (node.nodeType === 1) window.lines.push([performance.timeOrigin + performance.now(), node.innerText]);
}).observe(document.querySelector("#lines"), {childList: true});
"""


def measure(work: Path, say: Callable[[str], None]) -> Sequence[Figure]:
    """Raise Unreachable where the browser or a device is missing."""
    if not CHROMIUM.exists():
        raise Unreachable("unreachable", f"{CHROMIUM} is missing.", "Install it with: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    crowd = Crowd(work, DEVICES, {"1.0": 100, "1.1": 101})
    crowd.fate_of = lambda *_: Fate.WAITS
    stopped = False
    try:
        crowd.start()
        (work / "policy.yaml").write_text(POLICY)
        rollout = crowd.operator.start_rollout("1.1", "everybody", work / "policy.yaml")
        at_work = DEVICES // 2
        crowd.pump(
            lambda: sum(d.attempt is not None for d in crowd.fleet.devices.values()) >= at_work, 60, "the canary"
        )
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            weights = _weights(browser, crowd, rollout)
            heaviest = max(weights, key=lambda path: weights[path])
            say(f"{len(weights)} pages, {heaviest} is the heaviest with {weights[heaviest]:.1f} kB")
            times = _times(browser, crowd, rollout)
            say(f"{len(times)} events reached the page after {statistics.median(times):.1f} ms (median)")
            browser.close()
        stop_s = _stop(crowd)
        stopped = True
        say(f"the server stopped {stop_s:.2f} s after it was told to, with {STREAMS} streams open")
    finally:
        if not stopped:
            crowd.stop()
    return [
        Figure("heaviest page of the console", weights[heaviest], "kB", GOAL_KB, note=_note(weights)),
        Figure("event to page, median", statistics.median(times), "ms", GOAL_MS, note=f"{len(times)} acts of a person"),
        Figure("server stopped with streams open", stop_s, "s", GOAL_STOP_S, note=f"{STREAMS} event streams"),
    ]


def _weights(browser: Browser, crowd: Crowd, rollout: str) -> dict[str, float]:
    """Page → kB that went over the wire for it, headers and all, with an empty cache."""
    more = ["/rollouts/new", f"/rollouts/{rollout}", f"/rollouts/{rollout}/devices", f"/rollouts/{rollout}/verdicts"]
    found = {}
    for path in [*(entry.path for entry in entries()), *more, "/devices/sim-0000"]:
        context = _signed_in(browser, crowd)
        page = context.new_page()
        session = context.new_cdp_session(page)
        sizes: list[float] = []
        session.on("Network.loadingFinished", lambda event, kept=sizes: kept.append(event["encodedDataLength"]))
        session.send("Network.enable")
        answer = page.goto(crowd.server.url + path, wait_until="load")
        if answer is None or answer.status != 200:
            raise Unreachable("unreachable", f"{path} was not answered.")
        found[path] = sum(sizes) / 1000
        context.close()
    return found


def _times(browser: Browser, crowd: Crowd, rollout: str) -> list[float]:
    """Milliseconds from each act's own time to its line in the page."""
    context = _signed_in(browser, crowd)
    page = context.new_page()
    page.goto(f"{crowd.server.url}/rollouts/{rollout}", wait_until="load")
    page.evaluate(WATCH)
    for n in range(ACTS):
        crowd.act(rollout, "resume" if n % 2 else "pause", {"reason": f"act-{n:03}"})
        crowd.pump(functools.partial(_stands, page, f"act-{n:03}"), 30, "the act in the page")
    seen = _seen(page)
    context.close()
    body = crowd.ask("GET", f"/rollouts/{rollout}/decisions?limit=5000").body
    listed = body["items"] if isinstance(body, dict) else body
    assert isinstance(listed, list)
    began = {str(d["reason"])[-7:]: _ms(str(d["at"])) for d in listed if isinstance(d, dict)}
    return [seen[name] - began[name] for name in seen if name in began]


def _seen(page: Page) -> dict[str, float]:
    """Name of an act → when the first line with it stood in the page."""
    found: dict[str, float] = {}
    for at_ms, text in page.evaluate("window.lines"):
        place = text.find("act-")
        if place >= 0:
            found.setdefault(text[place : place + 7], at_ms)
    return found


def _stands(page: Page, act: str) -> bool:
    """Asked from here: the pages allow no evaluation of their own, so that a wait within the page is refused."""
    return act in _seen(page)


def _ms(at: str) -> float:
    return datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() * 1000


def _signed_in(browser: Browser, crowd: Crowd) -> BrowserContext:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    token = crowd.server.token_file.read_text().strip()
    context.request.post(f"{crowd.server.url}/sign-in", form={"token": token}, max_redirects=0)
    return context


def _stop(crowd: Crowd) -> float:
    """Seconds from the order to stop to the end of the process, with streams open that nobody reads."""
    token = crowd.server.token_file.read_text().strip()
    streams = [http.client.HTTPConnection("127.0.0.1", crowd.server.ports.api, timeout=30) for _ in range(STREAMS)]
    for stream in streams:
        stream.request("GET", "/api/v1/events", headers={"Authorization": f"Bearer {token}"})
        if stream.getresponse().status != 200:
            raise Unreachable("unreachable", "An event stream was refused.")
    crowd.swarm.close()
    began_s = time.monotonic()
    crowd.server.stop()
    took_s = time.monotonic() - began_s
    for stream in streams:
        stream.close()
    return took_s


def _note(weights: dict[str, float]) -> str:
    return ", ".join(f"{path} {kb:.0f} kB" for path, kb in sorted(weights.items()))
