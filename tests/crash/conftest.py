"""Prints how many instants were tried: a suite that silently shrank would look just as green."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is prepared before the world can end need not reach this machine's own disk."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    monkeypatch.setattr(os, "sync", lambda: None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.stats.get("passed", [])
    counted = [(r.nodeid.partition("::")[2], dict(r.user_properties)) for r in reports if r.when == "call"]
    rows = [(name, int(f["instants"]), int(f.get("of", f["instants"]))) for name, f in counted if "instants" in f]
    if not rows:
        return
    terminalreporter.section("instants at which the world ended, of those that there are")
    for name, count, of in sorted(rows):
        terminalreporter.write_line(f"{count:6d} of {of:6d}  {name}")
    tried, there = (sum(row[column] for row in rows) for column in (1, 2))
    terminalreporter.write_line(f"{tried:6d} of {there:6d}  in all")
