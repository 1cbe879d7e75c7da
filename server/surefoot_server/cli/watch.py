"""Wait for a rollout's end and show how it goes; the exit code is the answer.

Promises: 0 succeeded, 6 failed, halted or cancelled, 7 at the timeout; waits through paused and held, saying so, and
through a server that is away for a while. A terminal shows a living tree, anything else one line for each change.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Protocol

import click

from surefoot_server.cli.picture import sentence, tree
from surefoot_server.cli.shown import Rollout
from surefoot_shared.errors import Unreachable

STOPPED, TIMED_OUT = 6, 7
POLL_S = 1.0
"""The engine looks once a second; asking more often shows nothing new."""
ANSWERS = {"succeeded": 0, "failed": STOPPED, "cancelled": STOPPED, "halted": STOPPED}


class Screen(Protocol):
    def show(self, rollout: Rollout) -> None: ...

    def say(self, text: str) -> None: ...

    def close(self) -> None: ...


def watch(
    fetch: Callable[[], Rollout],
    screen: Screen,
    timeout_s: float | None,
    *,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Poll until the rollout has ended or the time is over; return the exit code."""
    until_s = None if timeout_s is None else now_s() + timeout_s
    try:
        while True:
            try:
                rollout = fetch()
            except Unreachable as error:
                screen.say(f"{error.message} Waiting for it to return.")
            else:
                screen.show(rollout)
                if (answer := ANSWERS.get(rollout.state)) is not None:
                    return answer
            if until_s is not None and now_s() >= until_s:
                screen.say("The time to wait is over; the rollout goes on.")
                return TIMED_OUT
            sleep(POLL_S)
    finally:
        screen.close()


class Lines:
    """One line on stderr for each change: for logs and pipes."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, rollout: Rollout) -> None:
        self.say(sentence(rollout))

    def say(self, text: str) -> None:
        if text != self._last:
            click.echo(text, err=True)
            self._last = text

    def close(self) -> None:
        pass


class Living:
    """The tree, drawn over itself, on a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True, highlight=False), auto_refresh=False)
        self._live.start()
        self._tree: list[str] = []

    def show(self, rollout: Rollout) -> None:
        self._tree = tree(rollout)
        self._draw("")

    def say(self, text: str) -> None:
        self._draw(text)

    def close(self) -> None:
        self._live.stop()

    def _draw(self, note: str) -> None:
        from rich.text import Text

        self._live.update(Text("\n".join([*self._tree, *(["", note] if note else [])])), refresh=True)


def screen() -> Screen:
    """The living tree where a person looks, lines elsewhere."""
    return Living() if sys.stderr.isatty() else Lines()
