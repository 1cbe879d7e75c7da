"""Ended attempts as counters: in which phases one counts, and what is added when it ends, changes or is set aside.

Promises: pure; a counter is what counting anew would give, and adding what was taken away leaves nothing behind, so a
corrected outcome moves from one counter to the other. Knows no rows.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from surefoot_shared.status import Outcome

REVERT = "revert:"
"""Before the outcome of an order to go back, in the counters of the whole rollout."""


@dataclass(frozen=True, slots=True)
class Ended:
    """One attempt that ended: the phase that was open when it was offered, its outcome and when that came."""

    phase: int
    outcome: Outcome
    at: datetime | None
    revert: bool = False

    @property
    def key(self) -> str:
        return f"{REVERT if self.revert else ''}{self.outcome.value}"


def counts_in(phase: int, at: datetime | None, begun: Sequence[datetime | None]) -> list[int]:
    """Phases that an ended attempt counts in: the one it was offered in, and later ones that had begun by its end.

    `begun` is when each phase began, None where it has not.
    """
    later = [index for index, since in enumerate(begun) if index > phase and since is not None and at and at >= since]
    return [phase, *later]


def count(
    whole: MutableMapping[str, int],
    phases: Sequence[MutableMapping[str, int]],
    begun: Sequence[datetime | None],
    ended: Ended,
    by: int,
) -> None:
    """Add one ended attempt to the counters (`by` 1), or take it out again (-1)."""
    _add(whole, ended.key, by)
    if ended.revert:
        return
    for index in counts_in(ended.phase, ended.at, begun):
        if index < len(phases):
            _add(phases[index], ended.key, by)


def outcomes(counters: Mapping[str, int], *, reverts: bool = False) -> dict[Outcome, int]:
    """The counters of attempts, or of orders to go back, by outcome."""
    prefix = REVERT if reverts else ""
    return {o: n for o in Outcome if (n := counters.get(f"{prefix}{o.value}", 0))}


def _add(counters: MutableMapping[str, int], key: str, by: int) -> None:
    counters[key] = counters.get(key, 0) + by
    if not counters[key]:
        del counters[key]
