"""Prints how many instants were tried: a suite that silently shrank would look just as green."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is prepared before the world can end need not reach this machine's own disk."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.stats.get("passed", [])
    counted = [(r.nodeid.partition("::")[2], dict(r.user_properties)) for r in reports if r.when == "call"]
    rows = [(name, int(facts["instants"])) for name, facts in counted if "instants" in facts]
    if not rows:
        return
    terminalreporter.section("instants at which the world ended")
    for name, count in rows:
        terminalreporter.write_line(f"{count:6d}  {name}")
    terminalreporter.write_line(f"{sum(count for _, count in rows):6d}  in all")
