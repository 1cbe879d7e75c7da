"""What of a download is told to the server: seldom, for each report is a write to flash and an event. Pure.

Promises: a report of bytes repeats the last sentence, so that whoever looks in between reads which way the release
comes; a failure of the network is told when it is another one, and now and then that it still is.
"""

from __future__ import annotations

from surefoot_agent.results import Fetched
from surefoot_shared.errors import Unreachable

PROGRESS_S = 15.0
PROGRESS_RATIO = 0.1
STILL_S = 300.0
Told = tuple[str | None, float | None]
"""(sentence, ratio of the bytes in place); None for nothing new to say of it."""


class Telling:
    """Of one attempt; `began` anew with each download."""

    def __init__(self) -> None:
        self._ratio, self._at = 0.0, 0.0
        self._sentence: str | None = None
        self._broke: tuple[str, float] | None = None

    def began(self, now: float) -> None:
        self._ratio, self._at = 0.0, now

    def of(self, item: Fetched, now: float) -> Told | None:
        """What to report of bytes, or of a sentence, that came; None where it is too soon."""
        if item.said:
            self._sentence = item.said
            return item.said, self._shown()
        ratio = item.done / item.total if item.total else 0.0
        if not item.total or (ratio - self._ratio < PROGRESS_RATIO and now - self._at < PROGRESS_S):
            return None
        self._ratio, self._at, self._broke = ratio, now, None
        return self._sentence, self._shown()

    def broke(self, error: Unreachable, now: float) -> Told | None:
        """What to report of a network that failed."""
        if self._broke is not None and self._broke[0] == error.kind and now - self._broke[1] < STILL_S:
            return None
        self._broke = (error.kind, now)
        wait = f" It asks to wait {error.retry_after_s:.0f} s." if error.retry_after_s else ""
        self._sentence = f"{error.message}{wait} What was fetched is kept, and it is tried again."
        return self._sentence, self._shown()

    def _shown(self) -> float | None:
        return round(self._ratio, 3) if self._ratio else None
