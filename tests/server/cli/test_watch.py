"""Waiting for a rollout: through everything that may pass, with the exit code as the answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from surefoot_server.cli.shown import Rollout
from surefoot_server.cli.watch import Lines, Living, screen, watch
from surefoot_shared.errors import NotFound, Unreachable
from tests.server.cli.test_picture import ROLLOUT


class Story:
    """Answers one after the other, the last one for ever; each sleep is a second on its clock."""

    def __init__(self, *answers: str | Exception) -> None:
        self._answers = list(answers)
        self.seconds = 0.0

    def fetch(self) -> Rollout:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return replace(ROLLOUT, state=answer, reason="because", ended=answer in ("succeeded", "failed", "cancelled"))

    def now_s(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def watch(self, timeout_s: float | None = None) -> int:
        return watch(self.fetch, Lines(), timeout_s, now_s=self.now_s, sleep=self.sleep)


@pytest.mark.parametrize(("end", "code"), [("succeeded", 0), ("failed", 6), ("cancelled", 6), ("halted", 6)])
def test_the_end_is_the_answer(end: str, code: int) -> None:
    assert Story("running", "running", end).watch() == code


def test_it_waits_through_paused_held_and_reverting_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert Story("running", "paused", "held", "running", "reverting", "failed").watch() == 6

    said = capsys.readouterr().err
    assert [line.split()[1].rstrip(":") for line in said.splitlines()] == [
        "running",
        "paused",
        "held",
        "running",
        "reverting",
        "failed",
    ]


def test_a_line_is_printed_only_when_it_changes(capsys: pytest.CaptureFixture[str]) -> None:
    Story(*["running"] * 50, "succeeded").watch()

    assert len(capsys.readouterr().err.splitlines()) == 2


def test_the_timeout_exits_with_7_and_does_not_stop_the_rollout() -> None:
    story = Story("running")

    assert story.watch(timeout_s=10) == 7
    assert story.seconds == 10


def test_a_server_that_is_away_for_a_while_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    gone = Unreachable("unreachable", "http://x cannot be reached.")

    assert Story("running", gone, gone, "succeeded").watch() == 0
    assert "Waiting for it to return." in capsys.readouterr().err


def test_a_refusal_is_not_waited_for() -> None:
    with pytest.raises(NotFound):
        Story(NotFound("not_found", "There is no rollout 'r1'.")).watch()


def test_the_screen_is_closed_whatever_happens() -> None:
    class Closing(Lines):
        closed = False

        def close(self) -> None:
            self.closed = True

    closing, story = Closing(), Story(NotFound("not_found", "no"))

    with pytest.raises(NotFound):
        watch(story.fetch, closing, None, now_s=story.now_s, sleep=story.sleep)

    assert closing.closed


def test_where_nobody_looks_it_prints_lines() -> None:
    assert isinstance(screen(), Lines)


@pytest.fixture
def living(monkeypatch: pytest.MonkeyPatch) -> Iterator[Living]:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("NO_COLOR", "1")
    made = Living()
    yield made
    made.close()


def test_the_living_tree_shows_the_words_without_colour(living: Living, capsys: pytest.CaptureFixture[str]) -> None:
    living.show(ROLLOUT)
    living.say("The server is away.")
    living.close()

    said = capsys.readouterr().err
    assert "r1 running" in said
    assert "The server is away." in said
    assert not re.search(r"\x1b\[3\d", said)
