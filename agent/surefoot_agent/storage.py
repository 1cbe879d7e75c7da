"""What the device says of its own memory: a journal that cannot be read, or a disk that takes no more of it.

Promises: reads the journal and tries its reserve, nothing else. Where nothing can be stored nothing is begun, what runs
goes on, and the server is told why and what to do; once the disk takes writes again the agent ends, to be started anew.
"""

from __future__ import annotations

from collections.abc import Callable

from surefoot_agent.journal import Journal

LOOK_S = 60.0
"""How often a full disk is tried anew: 256 KiB are written where there is room, and nothing where there is none."""
WAY_OUT = "stop the agent, move journal.db* out of its state folder and start it: it takes what runs as committed"
UNREADABLE = f"The journal cannot be read: nothing is changed, and what runs goes on. Way out: {WAY_OUT}."
FORGOT = (
    "The journal cannot be read back whole: it does not know the release that is on trial. Nothing is begun until the "
    "guard has brought the release before it back."
)
STORES_NOTHING = (
    "The disk takes no write: nothing new is begun, and what runs goes on. Free space on the device's data partition."
)
ALMOST_FULL = "The disk is full: what is under way can still end, by a reserve. Free space on the data partition."


class Storage:
    """Of one journal, on the runner's thread."""

    def __init__(self, journal: Journal, monotonic: Callable[[], float]) -> None:
        self._journal, self._monotonic = journal, monotonic
        self._looked = monotonic()

    def concern(self) -> tuple[str, str] | None:
        """Return kind and sentence of what a person must see to; None where all is well."""
        if not self._journal.readable:
            return "journal_unreadable", UNREADABLE
        if not self._journal.stores:
            return "no_space", STORES_NOTHING
        return None if self._journal.has_reserve() else ("no_space", ALMOST_FULL)

    def is_back(self) -> bool:
        """Say whether a disk that took no write takes it again."""
        if self._journal.stores or not self._journal.readable or self._monotonic() - self._looked < LOOK_S:
            return False
        self._looked = self._monotonic()
        return self._journal.has_reserve()
