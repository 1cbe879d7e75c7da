"""What a device must never go below: security versions, committed counters, signed time, metadata versions, halt epoch.

Two generations, each with a CRC; the older is overwritten and fsynced, so whatever instant the power is cut, one whole
generation remains. Both unreadable is not "no floors": it raises InstallFailed(journal_unreadable) and the device keeps
running what runs. New fields are only ever added, so that the agent of the release before can read them.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from surefoot_shared import wire
from surefoot_shared.errors import InstallFailed, Invalid
from surefoot_shared.release import TargetNote
from surefoot_shared.trust.clock import format_time, parse_time
from surefoot_shared.trust.durable import locked, write_durably

_LIMIT_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Seen:
    """The highest version of a metadata role. It binds while the same keys sign the role: new keys start anew."""

    version: int
    keys: str = ""


@dataclass(frozen=True, slots=True)
class Floors:
    """Mappings are by component; `seen` is by repository and role, such as `image.snapshot`."""

    svn: Mapping[str, int] = field(default_factory=dict)
    minimum_svn: Mapping[str, int] = field(default_factory=dict)
    """What the newest signed policy names; becomes the floor once a release with that svn is committed."""
    committed_svn: Mapping[str, int] = field(default_factory=dict)
    counter: Mapping[str, int] = field(default_factory=dict)
    time: str = "1970-01-01T00:00:00Z"
    seen: Mapping[str, Seen] = field(default_factory=dict)
    halt_epoch: int = 0
    halted: tuple[str, ...] = ()
    v: int = 1

    def after_commit(self, note: TargetNote) -> Floors:
        """The counter follows what is committed, downwards too; the svn floor never falls."""
        committed = replace(
            self,
            counter={**self.counter, note.component: note.counter},
            committed_svn={**self.committed_svn, note.component: note.svn},
        )
        return committed._settled(note.component)

    def with_policy(self, component: str, min_svn: int) -> Floors:
        return replace(self, minimum_svn={**self.minimum_svn, component: min_svn})._settled(component)

    def with_time(self, at: object) -> Floors:
        """Raise the time floor; an earlier or unreadable time changes nothing."""
        new, old = parse_time(at), parse_time(self.time)
        return replace(self, time=format_time(new)) if new and (old is None or new > old) else self

    def with_seen(self, seen: Mapping[str, Seen]) -> Floors:
        return replace(self, seen={**self.seen, **seen})

    def _settled(self, component: str) -> Floors:
        minimum, floor = self.minimum_svn.get(component, 0), self.svn.get(component, 0)
        if floor < minimum <= self.committed_svn.get(component, -1):
            return replace(self, svn={**self.svn, component: minimum})
        return self


class FloorStore:
    """The floors of one device in its trust folder. Callers that read, change and write hold `durable.locked`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths = (folder / "floors.json", folder / "floors.previous.json")

    def load(self) -> Floors:
        return self._newest()[1]

    def save(self, floors: Floors) -> None:
        """Write over the older generation, so that the newest is never touched; the first save writes both."""
        generation, current = self._newest()
        if generation == 0:
            self._write(self._paths[1], 1, floors)
            self._write(self._paths[0], 2, floors)
        elif floors != current:
            newest_is_first = self._generation(self._paths[0]) == generation
            self._write(self._paths[1] if newest_is_first else self._paths[0], generation + 1, floors)

    def committed(self, note: TargetNote) -> None:
        """Raise the floors for a release that has proved itself healthy and is committed."""
        with locked(self._folder):
            self.save(self.load().after_commit(note))

    def _newest(self) -> tuple[int, Floors]:
        read = [found for path in self._paths if (found := _read(path)) is not None]
        if read:
            return max(read, key=lambda found: found[0])
        if any(path.exists() for path in self._paths):
            raise InstallFailed("journal_unreadable", "Both copies of this device's trust floors are unreadable.")
        return 0, Floors()

    def _generation(self, path: Path) -> int:
        found = _read(path)
        return found[0] if found else 0

    def _write(self, path: Path, generation: int, floors: Floors) -> None:
        body = b"%d %s" % (generation, wire.encode(floors))
        write_durably(path, b"%08x %s\n" % (zlib.crc32(body), body))


def _read(path: Path) -> tuple[int, Floors] | None:
    try:
        frame = path.read_bytes()
    except FileNotFoundError:
        return None
    crc, _, body = frame.removesuffix(b"\n").partition(b" ")
    generation, _, text = body.partition(b" ")
    try:
        if int(crc, 16) != zlib.crc32(body):
            return None
        return int(generation), wire.decode(Floors, text, _LIMIT_BYTES)
    except (ValueError, Invalid):
        return None
