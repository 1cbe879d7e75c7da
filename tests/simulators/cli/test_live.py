"""The live view: lines that are kept up to date on a terminal, a line now and then elsewhere, nothing under --json."""

from __future__ import annotations

import os
import sys

import pytest

from surefoot_server.cli.terminal import Terminal
from surefoot_simulators.cli.live import LOG_EVERY_S, Live
from surefoot_simulators.world.glance import Glance

EARLY, LATE = Glance(3600.0, (("1.0", 3),), 1), Glance(7200.0, (("1.0", 1), ("1.1", 2)), 0)


def looked_on(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Talk goes to a terminal of 40 columns and 4 rows."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2)
    monkeypatch.setattr(os, "get_terminal_size", lambda _fd: os.terminal_size((40, 4)))
    return Terminal()


def screen(text: str) -> list[str]:
    """What a terminal shows after it."""
    lines, row = [""], 0
    for piece in text.replace("\033[K", "").split("\n"):
        while piece.startswith("\033["):
            number, _, piece = piece[2:].partition("A")
            row -= int(number)
        lines[row:] = [piece, *lines[row + 1 :]]
        row += 1
        lines += [""] * (row + 1 - len(lines))
    return [line for line in lines if line]


def test_each_scenario_has_its_line_and_what_is_said_stays_above(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    live = Live(looked_on(monkeypatch), 3)
    live.show("a", EARLY)
    live.show("second", EARLY)
    live.show("second", LATE)
    shown = capsys.readouterr().err
    live.show("a", None)
    live.say("a: passed")
    after = shown + capsys.readouterr().err
    live.clear()

    assert screen(shown) == [
        "a         1.0 h  1.0: 3  at it: 1",
        "second    2.0 h  1.0: 1  1.1: 2  at it:",
        "0 of 3 scenarios are played",
    ]
    assert screen(after) == ["a: passed", "second    2.0 h  1.0: 1  1.1: 2  at it:", "1 of 3 scenarios are played"]
    assert screen(after + capsys.readouterr().err) == ["a: passed"]


def test_no_more_lines_are_drawn_than_a_terminal_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    live = Live(looked_on(monkeypatch), 9)
    for name in "abcdef":
        live.show(name, EARLY)

    assert len(screen(capsys.readouterr().err)) == 3


def test_one_scenario_alone_needs_no_count(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Live(looked_on(monkeypatch), 1).show("a", EARLY)

    assert screen(capsys.readouterr().err) == ["a    1.0 h  1.0: 3  at it: 1"]


def test_without_a_terminal_there_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    live = Live(Terminal(), 2, now_s=lambda: now[0])
    for _ in range(4):
        live.show("a", EARLY)
        now[0] += LOG_EVERY_S / 2
    live.show("a", None)
    live.say("a: passed")
    live.clear()

    assert capsys.readouterr().err.splitlines() == ["a    1.0 h  1.0: 3  at it: 1", "a: passed"]


def test_under_json_nobody_looks_on(capsys: pytest.CaptureFixture[str]) -> None:
    live = Live(Terminal(json=True), 2, now_s=iter([0.0, 1e6]).__next__)
    live.show("a", EARLY)
    live.show("a", LATE)

    assert not live.wanted
    assert capsys.readouterr().err == ""
