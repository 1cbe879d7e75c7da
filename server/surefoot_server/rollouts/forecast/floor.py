"""Who may switch next where devices switch a few at a time: the budgets of `rollouts.switching`, kept up to date.

Promises: the same device has its turn as in `switching.activations`, which looks at everybody each time: the first in
the order of turns whose site and fleet have room and whose window is open. Costs what changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from heapq import heappop, heappush

from surefoot_server.rollouts.forecast.people import People
from surefoot_server.rollouts.policy import Policy
from surefoot_server.rollouts.strategy import Strategy


class Floor:
    """Staged devices that wait for their order, and those that are unavailable."""

    def __init__(self, policy: Policy, people: People) -> None:
        self._most, self._at_a_site = policy.limits.max_unavailable, policy.limits.per_site_unavailable
        self.used = policy.orders_switch and policy.strategy is not Strategy.BLUE_GREEN
        self._site: list[int] = people.site.tolist() if self.used else []
        self._waiting: list[int] = []
        self._parked: dict[int, list[int]] = {}
        """By site: those whose site was full when their turn came."""
        self._away, self._here = 0, Counter[int]()

    def wait(self, who: int) -> None:
        heappush(self._waiting, who)

    def leave(self, who: int) -> None:
        """It is available again."""
        if self.used:
            self._away -= 1
            self._here[self._site[who]] -= 1
            self._unpark(self._site[who])

    def next_ones(self, closed: Callable[[int], bool]) -> Iterator[int]:
        """Take everyone who may switch now. `closed`: whether it must wait for its hour, and is then told again."""
        while self._waiting and (self._most is None or self._away < self._most):
            who = heappop(self._waiting)
            site = self._site[who]
            if self._at_a_site is not None and self._here[site] >= self._at_a_site:
                heappush(self._parked.setdefault(site, []), who)
            elif closed(who):
                self._unpark(site)
            else:
                self._away += 1
                self._here[site] += 1
                yield who

    def _unpark(self, site: int) -> None:
        if parked := self._parked.get(site):
            heappush(self._waiting, heappop(parked))
