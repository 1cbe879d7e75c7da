"""The site, its releases and a camera for the tests on an emulated machine; they close with how long each case took."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.power import disk
from tests.power.site import Site


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return disk.make_firmware(tmp_path_factory.mktemp("firmware") / "flash.img")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    yield site
    site.close()


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    """Numbers for versions: none is published twice."""
    return itertools.count(1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how long each case on the machine took, with what was set up for it."""
    took: dict[str, float] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and _on_the_machine(report):
                name = report.nodeid.partition("::")[2]
                took[name] = took.get(name, 0.0) + report.duration
    if took:
        terminalreporter.section("seconds on the machine")
        for name, seconds in took.items():
            terminalreporter.write_line(f"{seconds:7.1f}  {name}")
        terminalreporter.write_line(f"{sum(took.values()):7.1f}  all")


def _on_the_machine(report: pytest.TestReport) -> bool:
    return report.nodeid.startswith("tests/power/") and "slow" in report.keywords
