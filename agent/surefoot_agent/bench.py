"""Hands work to the lanes and tells, when a result comes back, whether it still counts.

Promises: work ordered by `effect` counts only until `forget` (the state was left) or a newer order of the same name;
work ordered by `submit` always counts. Results arrive through `post`, on any thread.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from surefoot_agent.lanes import Lane, Lanes, Work


@dataclass(frozen=True, slots=True)
class Done:
    """The result of work, or its exception; `token` is 0 for work that always counts."""

    name: str
    token: int
    result: object
    error: BaseException | None


class Bench:
    def __init__(self, lanes: Lanes, post: Callable[[Done], None]) -> None:
        self._lanes, self._post = lanes, post
        self._tokens = itertools.count(1)
        self._valid: dict[str, int] = {}

    def submit(self, name: str, lane: Lane, work: Work) -> None:
        self._lanes.submit(lane, work, lambda result, error: self._post(Done(name, 0, result, error)))

    def effect(self, name: str, lane: Lane, work: Work) -> None:
        token = self._valid[name] = next(self._tokens)
        self._lanes.submit(lane, work, lambda result, error: self._post(Done(name, token, result, error)))

    def busy(self, name: str) -> bool:
        """Say whether a result of this name is still awaited."""
        return name in self._valid

    def take(self, done: Done) -> bool:
        """Say whether a result counts; once taken it counts no more."""
        if done.token and self._valid.get(done.name) != done.token:
            return False
        self._valid.pop(done.name, None)
        return True

    def forget(self, name: str | None = None) -> None:
        """Let no result count that was ordered until now, of one name or of all."""
        if name is None:
            self._valid.clear()
        else:
            self._valid.pop(name, None)

    def stop(self) -> None:
        self._lanes.stop()
