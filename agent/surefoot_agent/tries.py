"""How often a release on trial may be ended without a verdict before it is reverted: one table, by cause.

Promises: pure; every cause has a limit and all of them together have one (`ceiling`), so a trial always ends. The
agent's counts are finer than a bootloader's counter and the guard's, which cannot tell causes apart. Both are bounds
of what may pass without an agent: where a counter ran out, the agent of the old slot sees what ended the last start and
arms again while that cause has tries left; where the agent of the new slot sees that they are used up, it goes back
at once, whatever the counter still allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from surefoot_agent.reset_cause import Cause


@dataclass(frozen=True, slots=True)
class Tries:
    """Starts that may end by a cause: `times` the setting max_starts, and never more than `most`."""

    times: int
    most: int
    why: str


TRIES: Mapping[Cause, Tries] = {
    Cause.POWER_CUT: Tries(2, 20, "It says nothing about a release, unless that one draws too much power."),
    Cause.CLEAN_RESTART: Tries(2, 20, "Somebody restarts the machine, which is not the release's doing."),
    Cause.UNEXPLAINED: Tries(1, 20, "It may have been a panic on a board that keeps no dump."),
    Cause.APPLICATION_DIED: Tries(1, 20, "A camera that is not ready yet may end an application once or twice."),
    Cause.WATCHDOG: Tries(1, 2, "Once may be the hardware; a system that hangs twice under a release hangs."),
    Cause.PANIC: Tries(1, 2, "Once may be the hardware; a kernel that panics twice under a release panics."),
}


def limit(cause: Cause, max_starts: int) -> int:
    """Return how many starts may end by this cause."""
    row = TRIES[cause]
    return min(row.times * max_starts, row.most)


def ceiling(max_starts: int) -> int:
    """Return how many starts a trial may have at all: the guard's limit, which cannot tell causes apart."""
    return max(limit(cause, max_starts) for cause in Cause)


def left(falls: Mapping[str, int], cause: Cause, max_starts: int) -> bool:
    """Say whether one more start ended by this cause leaves a try. `falls` are those before it, by cause."""
    mine, all_of_them = falls.get(cause.value, 0) + 1, sum(falls.values()) + 1
    return mine < limit(cause, max_starts) and all_of_them < ceiling(max_starts)


def counted(falls: Mapping[str, int], cause: Cause) -> Mapping[str, int]:
    return {**falls, cause.value: falls.get(cause.value, 0) + 1}
