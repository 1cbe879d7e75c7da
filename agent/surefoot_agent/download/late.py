"""A downloader that comes into being with the first download: until then its HTTP library takes no memory.

Promises: made once, in the installer's thread, and kept. What making it raises, the download raises.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from surefoot_agent.download.beside import Beside
from surefoot_agent.download.pace import Pacing
from surefoot_agent.ports import Downloader, Progress, Say, Slots, Wish, never, silent
from surefoot_shared.messages import Lease
from surefoot_shared.release import Manifest
from surefoot_shared.status import SlotName


class LateDownloader:
    """Downloader port. One installer thread at a time."""

    def __init__(self, make: Callable[[], Downloader], forget: Callable[[], None] = lambda: None) -> None:
        """`forget` drops what an earlier process left on its way."""
        self._make, self._made, self._forget = make, list[Downloader](), forget

    def manifest(self, wish: Wish, lease: Lease, stop: Callable[[], bool] = never) -> bytes:
        return self._downloader.manifest(wish, lease, stop)

    def fill(
        self,
        wish: Wish,
        manifest: Manifest,
        slot: SlotName,
        lease: Lease,
        progress: Progress,
        stop: Callable[[], bool],
        say: Say = silent,
    ) -> None:
        self._downloader.fill(wish, manifest, slot, lease, progress, stop, say)

    def forget(self) -> None:
        self._forget()

    @property
    def _downloader(self) -> Downloader:
        if not self._made:
            self._made.append(self._make())
        return self._made[0]


def http_downloader(
    slots: Slots,
    ca_file: Path | None,
    pacing: Pacing,
    connect_timeout_s: float,
    read_timeout_s: float,
    beside: Beside | None = None,
) -> Downloader:
    """The one that `download.http` has, made when it is first used."""

    def make() -> Downloader:
        from surefoot_agent.download.http import HttpDownloader  # two of the agent's forty megabytes

        return HttpDownloader(slots, ca_file, pacing, connect_timeout_s, read_timeout_s, beside)

    return LateDownloader(make, beside.forget if beside else lambda: None)
