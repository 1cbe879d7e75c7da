"""One server with its fleet and one browser for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from surefoot_simulators.fleet.crowd import Crowd
from tests.browser.site import ARGUMENTS, CHROMIUM, DEVICES, VERSIONS, Site, first_rollout, lively


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Site]:
    crowd = Crowd(Path(tmp_path_factory.mktemp("console")), DEVICES, VERSIONS)
    try:
        crowd.start()
        first_rollout(crowd)
        with lively(crowd):
            yield Site(crowd, browser)
    finally:
        crowd.stop()


@pytest.fixture
def site(shared: Site) -> Iterator[Site]:
    """The shared one; whatever a page complained of while the test looked at it fails the test."""
    shared.take_errors()
    yield shared
    assert shared.take_errors() == []
