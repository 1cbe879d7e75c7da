"""The machine below a simulated agent: its clock, its boots, its power, and the points at which it can end.

Promises: monotonic time begins anew with every boot, as a kernel's does; the wall clock may be wrong; `around` marks
the points before and after a write, at which a fault may have set a trap. Refuses to know what runs on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot_agent.reset_cause import Cause
from surefoot_shared.status import AttemptState

BOOT_S = 20.0
"""From power to the agent, on the boards that were measured."""
POINTS = (
    "slot begin",
    "slot write",
    "slot seal",
    "slot clear",
    "boot mark",
    "boot arm",
    "boot primary",
    "boot commit",
    "trial",
    "journal",
    "start",
    "stop",
)
"""Writes and acts before or after which a machine can end: `before boot commit`, `after trial`."""


@dataclass(frozen=True, slots=True)
class End:
    """How a machine, or the agent on it, comes to its end."""

    cause: Cause
    off_s: float = 0.0
    """Until it is switched on again, beside the boot itself."""
    for_good: bool = False
    agent_only: bool = False
    """The agent is killed and started anew; machine and application live on."""


@dataclass(frozen=True, slots=True)
class Trap:
    """`sprang` is called before the device ends."""

    end: End
    sprang: Callable[[], None]


class Ended(BaseException):
    """It ends here: nothing of the agent may catch this."""

    def __init__(self, end: End) -> None:
        super().__init__(end.cause.value)
        self.end = end


class Board:
    """Clock port of the agent, and its end."""

    def __init__(self, name: str, now: Callable[[], float], started_at: datetime) -> None:
        """`now` is the world's time in seconds, `started_at` its wall clock at 0."""
        self.name, self.now, self._started_at = name, now, started_at
        self.boots, self.up_since, self.skew_s = 1, 0.0, 0.0
        self.up = True
        self.traps: dict[str, list[Trap]] = {}
        self.entered: Callable[[str, AttemptState], None] = lambda _component, _state: None
        """Hears of which component which state of the attempt has just become durable."""

    def monotonic(self) -> float:
        return self.now() - self.up_since + BOOT_S

    def utc(self) -> datetime:
        return self._started_at + timedelta(seconds=self.now() + self.skew_s)

    def boot_id(self) -> str:
        return f"{self.name}-boot-{self.boots}"

    def source(self) -> str:
        return "none" if self.skew_s else "ntp"

    def start(self) -> None:
        """A new boot."""
        self.boots, self.up_since, self.up = self.boots + 1, self.now(), True

    def trap(self, point: str, end: End, sprang: Callable[[], None] = lambda: None) -> None:
        """End the next time that this point is passed; `sprang` hears of it."""
        self.traps.setdefault(point, []).append(Trap(end, sprang))

    def trip(self, point: str) -> None:
        """Pass a point; raises Ended where a trap was set."""
        waiting = self.traps.get(point)
        if waiting:
            trap = waiting.pop(0)
            trap.sprang()
            raise Ended(trap.end)

    @contextmanager
    def around(self, what: str) -> Iterator[None]:
        self.trip(f"before {what}")
        yield
        self.trip(f"after {what}")
