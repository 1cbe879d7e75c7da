"""What a device must never go below: security versions, committed counters, signed time, metadata versions, halt epoch.

Two generations, each with a CRC; the older is overwritten and fsynced, so whatever instant the power is cut, one whole
generation remains. Both unreadable is not "no floors": it raises InstallFailed(journal_unreadable) and the device keeps
running what runs. New fields are only ever added, so that the agent of the release before can read them.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from surefoot_shared import wire
from surefoot_shared.errors import InstallFailed, Invalid
from surefoot_shared.release import TargetNote
from surefoot_shared.trust.clock import EPOCH, format_time, parse_time
from surefoot_shared.trust.durable import locked, write_all_durably
from surefoot_shared.trust.policy import Policy

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
    committed_digest: Mapping[str, str] = field(default_factory=dict)
    used_permits: Mapping[str, str] = field(default_factory=dict)
    """Permit → the assignment that used it."""
    offline_days: Mapping[str, int] = field(default_factory=dict)
    """The newest policy's max_offline_days, where it has one."""
    role_expires: Mapping[str, str] = field(default_factory=dict)
    time_keys: str = ""
    """Which director's keys told the time; empty: not known. Of keys that the root dropped it counts no more."""
    halt_keys: str = ""
    """Which keys signed the halt list; an epoch binds while the same keys sign."""
    halt_root: int = 0
    """The version of the director's root under which it was taken."""
    revoked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the newest policy revokes."""
    v: int = 1

    def after_commit(self, note: TargetNote, digest: str = "") -> Floors:
        """The counter follows what is committed, downwards too; the svn floor never falls."""
        committed = replace(
            self,
            counter={**self.counter, note.component: note.counter},
            committed_svn={**self.committed_svn, note.component: note.svn},
            committed_digest={**self.committed_digest, note.component: digest},
        )
        return committed._settled(note.component)

    def with_policy(self, policy: Policy) -> Floors:
        component, days = policy.component, policy.max_offline_days
        others = {name: each for name, each in self.offline_days.items() if name != component}
        kept = {**others, component: days} if days else others
        minimum = {**self.minimum_svn, component: policy.min_svn}
        others_revoked = {name: each for name, each in self.revoked.items() if name != component}
        revoked = {**others_revoked, component: policy.revoked} if policy.revoked else others_revoked
        return replace(self, minimum_svn=minimum, offline_days=kept, revoked=revoked)._settled(component)

    def with_permit(self, permit_id: str, assignment: str) -> Floors:
        return replace(self, used_permits={**self.used_permits, permit_id: assignment})

    def with_role(self, component: str, expires: datetime) -> Floors:
        return replace(self, role_expires={**self.role_expires, component: format_time(expires)})

    def time_by(self, keys: str) -> datetime:
        """Return the time floor where these keys told it, else the beginning of time.

        Whoever stole a director's key may have told a time far ahead; its word is void once the offline keys drop it.
        """
        told = parse_time(self.time) if self.time_keys in ("", keys) else None
        return told or EPOCH

    def with_time(self, at: object, keys: str = "") -> Floors:
        """Raise the time floor, or begin it anew with new keys; an earlier or unreadable time changes nothing."""
        new = parse_time(at)
        if new is None:
            return self
        return replace(self, time=format_time(max(new, self.time_by(keys))), time_keys=keys)

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
        if floors == current:
            return
        if generation == 0:
            self._write({self._paths[1]: 1, self._paths[0]: 2}, floors)
        else:
            newest_is_first = self._generation(self._paths[0]) == generation
            older = self._paths[1] if newest_is_first else self._paths[0]
            self._write({older: generation + 1}, floors)

    def committed(self, note: TargetNote, digest: str = "") -> None:
        """Raise the floors for a release that has proved itself healthy and is committed."""
        with locked(self._folder):
            self.save(self.load().after_commit(note, digest))

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

    def _write(self, generations: Mapping[Path, int], floors: Floors) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        bodies = {path.name: b"%d %s" % (number, wire.encode(floors)) for path, number in generations.items()}
        frames = {name: b"%08x %s\n" % (zlib.crc32(body), body) for name, body in bodies.items()}
        write_all_durably(self._folder, frames)


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
