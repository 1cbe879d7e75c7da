"""A real server with a live simulated fleet and a browser in front of its console.

Promises: one server and one browser for all tests of a process; time passes for devices while a test looks at pages.
Every page that is opened is watched: an error on its console or a broken content policy fails the test that saw it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from surefoot_simulators.fleet.crowd import Crowd

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
AXE = (Path(__file__).parent / "vendor" / "axe" / "axe.min.js").read_text()
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
SERIOUS = ("serious", "critical")
DEVICES = 40
VERSIONS = {"1.0": 100, "1.1": 101, "1.2": 102}
POLICY = """
phases:
  - {name: canary, percent: 20, bake: 5s}
  - {name: everyone, percent: 100, bake: 1s}
gate:
  max_wait: 10m
  objectives:
    - {metric: reverted, fail_if_surely_above: 20%, tripwire: 2}
    - {metric: failed, fail_if_surely_above: 20%}
    - {metric: lost, fail_if_surely_above: 20%}
"""


class Site:
    """`crowd` lives in a thread of its own: it is changed by `fate_of` and by its server's API alone."""

    def __init__(self, crowd: Crowd, browser: Browser) -> None:
        self.crowd, self.browser = crowd, browser
        self.errors: list[str] = []
        self.tokens = {"admin": crowd.server.token_file.read_text().strip()}

    @property
    def url(self) -> str:
        return self.crowd.server.url

    def token(self, role: str) -> str:
        if role not in self.tokens:
            self.tokens[role] = self.crowd.person(f"a-{role}", role)
        return self.tokens[role]

    @contextmanager
    def look(
        self,
        role: str | None,
        *,
        scheme: str = "light",
        width: int = 1280,
        language: str = "en-GB",
        scripts: bool = True,
    ) -> Iterator[Page]:
        """A page of somebody with this role, or of nobody."""
        context = self.browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
            locale=language,
            timezone_id="Asia/Ho_Chi_Minh",
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        context.set_default_timeout(60_000)
        try:
            if role is not None:
                self._sign_in(context, role)
            page = context.new_page()
            page.on("console", self._heard)
            page.on("pageerror", lambda error: self.errors.append(f"script: {error}"))
            yield page
        finally:
            context.close()

    def open(self, page: Page, path: str, status: int = 200) -> None:
        """Go there; waits for the page alone, since its stream never ends."""
        answer = page.goto(self.url + path, wait_until="load")
        assert answer is not None
        assert answer.status == status, f"{path} answered {answer.status}"
        assert "script-src 'self';" in answer.headers["content-security-policy"], path

    def serious(self, page: Page, rules: list[str] | None = None) -> list[str]:
        """What axe-core finds to be serious or worse, by all its rules or by these, one line each."""
        if not page.evaluate("'axe' in window"):
            page.evaluate(AXE)
        found = page.evaluate(
            "rules => axe.run(document, {resultTypes: ['violations'], ...(rules && {runOnly: rules})})", rules
        )
        return [
            f"{v['id']}: {node['target']} {node['failureSummary'][:200]}"
            for v in found["violations"]
            if v["impact"] in SERIOUS
            for node in v["nodes"]
        ]

    def picture(self, page: Page, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    def take_errors(self) -> list[str]:
        found, self.errors = self.errors, []
        return found

    def _sign_in(self, context: BrowserContext, role: str) -> None:
        answer = context.request.post(f"{self.url}/sign-in", form={"token": self.token(role)}, max_redirects=0)
        assert answer.status == 303, answer.text()[:300]

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"console: {message.text} at {message.location.get('url', '')}")


@contextmanager
def lively(crowd: Crowd) -> Iterator[None]:
    """Let time pass for the devices in the background."""
    over = threading.Event()
    failed: list[Exception] = []

    def live() -> None:
        try:
            crowd.pump(over.is_set, 3600, "the tests to end")
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=live, name="fleet")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(30)
    if failed:
        raise failed[0]


def first_rollout(crowd: Crowd) -> str:
    """A whole rollout of 1.1, so that every page has something to show; returns its id."""
    path = crowd.folder / "first.yaml"
    path.write_text(POLICY)
    rollout = crowd.operator.start_rollout("1.1", "everybody", path)
    crowd.pump(lambda: crowd.state(rollout) == "succeeded", 200, "the first rollout to succeed")
    return rollout
