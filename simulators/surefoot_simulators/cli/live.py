"""The live view of `surefoot sim run`: a line for each scenario that is being played.

Promises: on a terminal the lines are kept up to date below what was said; elsewhere one line now and then, so that a
log of hours shows that it goes on; nothing at all under --json. It is talk: all of it goes to stderr.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from surefoot_server.cli.terminal import Terminal

if TYPE_CHECKING:
    from surefoot_simulators.world.glance import Glance

LOG_EVERY_S = 30.0
"""Of the wall clock, between two lines of one scenario where there is no terminal."""
UP, WIPE = "\033[{}A", "\033[K"


class Live:
    """`of`: how many scenarios there are to play."""

    def __init__(self, terminal: Terminal, of: int, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._terminal, self._of, self._now_s = terminal, of, now_s
        self._living = sys.stderr.isatty()
        self._going: dict[str, str] = {}
        self._said_at: dict[str, float] = {}
        self._over: set[str] = set()
        self._drawn = 0

    @property
    def wanted(self) -> bool:
        """Whether anybody may look on."""
        return not self._terminal.json

    def show(self, scenario: str, glance: Glance | None) -> None:
        """How far a scenario is; None: its play is over."""
        if not self.wanted:
            return
        if glance is None:
            self._going.pop(scenario, None)
            self._over.add(scenario)
        else:
            self._going[scenario] = glance.words
        if self._living:
            self._draw()
        elif glance is not None:
            self._log(scenario)

    def say(self, text: str) -> None:
        """Talk that stays, above the lines."""
        self.clear()
        self._terminal.say(text)
        if self._living and self.wanted:
            self._draw()

    def clear(self) -> None:
        """Take the lines away."""
        if self._drawn:
            self._write(UP.format(self._drawn) + f"{WIPE}\n" * self._drawn + UP.format(self._drawn))
            self._drawn = 0

    def _draw(self) -> None:
        lines = [f"{name}{words}" for name, words in self._named()]
        if self._of > 1:
            lines.append(f"{len(self._over)} of {self._of} scenarios are played")
        columns, rows = os.get_terminal_size(sys.stderr.fileno())
        lines = lines[-max(1, rows - 1) :]  # above the top nothing could be taken away again
        up = UP.format(self._drawn) if self._drawn else ""
        gone = max(0, self._drawn - len(lines))
        back = UP.format(gone) if gone else ""
        self._write(up + "".join(f"{line[: columns - 1]}{WIPE}\n" for line in lines) + f"{WIPE}\n" * gone + back)
        self._drawn = len(lines)

    def _named(self) -> list[tuple[str, str]]:
        wide = max(map(len, self._going), default=0)
        return [(name.ljust(wide), words) for name, words in self._going.items()]

    def _log(self, scenario: str) -> None:
        """The first after a while, so that what is over soon says nothing but its end."""
        now = self._now_s()
        if now - self._said_at.setdefault(scenario, now) >= LOG_EVERY_S:
            self._said_at[scenario] = now
            self._terminal.say(f"{scenario}{self._going[scenario]}")

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
