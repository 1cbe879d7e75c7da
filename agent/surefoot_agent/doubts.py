"""Halt lists that were refused, and may only have come before the root that proves them.

After a rotation of the halt key the whole fleet hears the new list at once, and each device the new root with its next
bundle. Promises: such a refusal is told a little later, unless a newer root came and proves the list. Refuses to keep
more than a few, or to let one that comes again wait longer: what finds no room is told at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from surefoot_agent.ports import Trust
from surefoot_agent.results import HaltRead
from surefoot_shared.errors import UntrustedRelease

WAIT_S = 300.0
"""The hello that asks for the root goes out within 45 s, and again after twice as long where nobody answers."""
MOST = 4


@dataclass(frozen=True, slots=True)
class Doubt:
    """A list that the director's root of that version does not prove."""

    raw: bytes
    error: UntrustedRelease
    root: int


def read_halt(trust: Trust, raw: bytes) -> HaltRead | Doubt:
    """Verify a list; Doubt where nobody known signed it. Raises as `trust.halt` for whatever else is wrong with it."""
    try:
        return HaltRead(*trust.halt(raw))
    except UntrustedRelease as error:
        if error.kind != "metadata_untrusted":
            raise
        return Doubt(raw, error, trust.versions()[1].root)


class Doubts:
    """Those that wait for a newer root; the clock is the caller's."""

    def __init__(self) -> None:
        self._held: dict[bytes, Doubt] = {}

    def hold(self, doubt: Doubt) -> bool:
        """Say whether it waits, anew or already."""
        if doubt.raw not in self._held and len(self._held) >= MOST:
            return False
        self._held.setdefault(doubt.raw, doubt)
        return True

    def provable(self, root: int) -> tuple[bytes, ...]:
        """Take those that were refused under an older root than this: they are to be verified once more."""
        found = tuple(raw for raw, doubt in self._held.items() if doubt.root < root)
        for raw in found:
            del self._held[raw]
        return found

    def take_all(self) -> tuple[UntrustedRelease, ...]:
        """No root came that proves them."""
        errors = tuple(doubt.error for doubt in self._held.values())
        self._held.clear()
        return errors
