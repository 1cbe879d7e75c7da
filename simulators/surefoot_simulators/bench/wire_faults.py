"""What goes wrong on the way between devices and server, by a seed: pulled cables, silent devices, duplicates.

Promises: everything is undone in time, so whatever is missing at the end was lost by somebody else; the same seed draws
the same faults (when they strike depends on the machine). Refuses to harm the server or the broker: the soak does that.
"""

from __future__ import annotations

import random
import time
from collections import Counter

from surefoot_shared.errors import Unreachable
from surefoot_simulators.fleet.crowd import Crowd

TURN_S = 0.5
CABLE, SILENCE, DUPLICATE = "cable pulled", "silent for long", "said twice"
BACK_AFTER_S = (0.2, 3.0)
SILENT_S = 12.0
"""Longer than a device may be silent after the switch, by the soak's policy: it is taken for lost, and comes back."""
REJOIN_LIMIT_S = 120.0


class Faults:
    """Call `turn` often. `share` of the connected devices suffer something at each of its beats."""

    def __init__(self, crowd: Crowd, seed: int, share: float = 0.004) -> None:
        self._crowd, self._random, self._share = crowd, random.Random(seed), share  # noqa: S311, chance and no secret
        self._back_at: dict[str, float] = {}
        self._next_s = 0.0
        self.struck: Counter[str] = Counter()

    def turn(self) -> None:
        """Strike some; bring back whose time is over and whom the broker lost; raises Unreachable if nobody gets in."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + TURN_S
        self._back_at = {name: at_s for name, at_s in self._back_at.items() if at_s > now_s}
        if any(name not in self._back_at and name not in self._crowd.swarm.wires for name in self._crowd.fleet.devices):
            self.rejoin()
        here = sorted(self._crowd.swarm.wires)
        count = sum(self._random.random() < self._share for _ in here)
        for name in self._random.sample(here, count):
            self._strike(name, now_s)

    def end(self) -> None:
        """Nothing strikes any more, and everybody is back."""
        self._back_at.clear()
        self._share = 0.0
        self.rejoin()

    def rejoin(self) -> None:
        """Everybody who should be connected connects, as soon as the broker lets them."""
        ends_s = time.monotonic() + REJOIN_LIMIT_S
        while True:
            try:
                self._crowd.fleet.connect(name for name in self._crowd.fleet.devices if name not in self._back_at)
                return
            except (OSError, TimeoutError) as error:
                if time.monotonic() > ends_s:
                    raise Unreachable("unreachable", "Devices did not get through to the broker any more.") from error
                for name in [n for n, wire in self._crowd.swarm.wires.items() if not wire.up]:
                    self._crowd.swarm.drop(name)
                self._crowd.swarm.step(0.2)

    def _strike(self, name: str, now_s: float) -> None:
        kind = self._random.choices((CABLE, DUPLICATE, SILENCE), (8, 8, 1))[0]
        self.struck[kind] += 1
        if kind == DUPLICATE:
            self._crowd.fleet.say_again(name)
            return
        self._crowd.swarm.drop(name)
        self._back_at[name] = now_s + (SILENT_S if kind == SILENCE else self._random.uniform(*BACK_AFTER_S))
