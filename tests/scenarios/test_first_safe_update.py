"""The story of the demonstration, promise by promise, from the server's API and the devices' slots on disk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rich.console import Console

from surefoot_simulators.demo import promises
from surefoot_simulators.demo.seen import Finding
from surefoot_simulators.demo.story import Story
from surefoot_simulators.demo.view import LineView

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Finding]]:
    story = Story(tmp_path_factory.mktemp("story"), LineView(Console()))
    try:
        yield {finding.promised: finding for finding in story.play()}
    finally:
        story.close()


@pytest.mark.parametrize("promised", [p for p in promises.ALL if p != promises.IN_TIME])
def test_a_promise_of_the_first_safe_update_is_kept(findings: dict[str, Finding], promised: str) -> None:
    finding = findings[promised]

    assert finding.kept, f"{promised}: {finding.seen}"
