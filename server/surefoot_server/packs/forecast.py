"""What devices would fetch for a release, before anybody is told to: by what they run, with the packs there are.

Promises: read from what devices last said; changes nothing. Where no pack is, the figure is the whole release, which is
more than a device with a like slot fetches: so it is an upper bound and is called so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from sqlmodel import Session, select

from surefoot_server.devices.models import DeviceComponent
from surefoot_server.packs import repository
from surefoot_server.releases.models import Release


@dataclass(frozen=True, slots=True)
class Download:
    """Devices that run the same. `each_bytes`: what one fetches at most; `packed`: a pack leads there from it."""

    running: str | None
    devices: int
    each_bytes: int
    packed: bool

    @property
    def total_bytes(self) -> int:
        return self.devices * self.each_bytes


def downloads(session: Session, release: Release, device_ids: Collection[str]) -> list[Download]:
    """The most bytes first; whoever runs it fetches nothing."""
    wanted = set(device_ids)
    query = select(DeviceComponent.device_id, DeviceComponent.digest, DeviceComponent.release_id).where(
        DeviceComponent.component == release.component
    )
    runs: dict[str, tuple[str, str | None]] = {
        device: (digest or "", name) for device, digest, name in session.exec(query) if device in wanted
    }
    counts = Counter(runs.get(device, ("", None)) for device in wanted)
    found = [
        _download(session, release, digest, name, count)
        for (digest, name), count in counts.items()
        if digest != release.digest
    ]
    return sorted(found, key=lambda each: (-each.total_bytes, each.running or ""))


def _download(session: Session, release: Release, digest: str, name: str | None, count: int) -> Download:
    sizes: dict[str, int] = {}
    for pack in repository.offers(session, [digest] if digest else [], release.digest):
        sizes[pack.from_digest] = sizes.get(pack.from_digest, 0) + pack.size_bytes
    least = min(sizes.values(), default=None)
    packed = least is not None and least < release.total_bytes
    each = least if packed and least is not None else release.total_bytes
    return Download(name or digest[:12] or None, count, each, packed)
