"""Fill a slot from packs: what a release lacks of the one that the other slot holds, or all of it, in few objects.

Promises: a pack is fetched through the spool, so a death costs nothing that was on the medium; it is unpacked by the
child alone, and the next one is fetched meanwhile; a member that makes wrong bytes costs its own pieces, a pack that
cannot be unpacked costs itself, and what neither brought is fetched another way. Raises Unreachable where only time
helps, and what the slot raises.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

from surefoot_agent.download import air
from surefoot_agent.download.air import Air
from surefoot_agent.download.places import Kind, Place, Places
from surefoot_agent.download.pour import Cursor, Pour
from surefoot_agent.download.replies import GIVEN_UP, gives_way
from surefoot_agent.download.spool import Held, Spool
from surefoot_agent.download.transfer import Stop, Transfer
from surefoot_agent.download.unpack import Unpacked, Unpacker
from surefoot_agent.ports import Changed, Piece, Slots
from surefoot_shared.errors import InstallFailed, SurefootError, Unreachable
from surefoot_shared.messages import Pack
from surefoot_shared.pack import WHOLE, Encoding, Member, PackIndex
from surefoot_shared.release import Manifest, SlotKind, digest_of
from surefoot_shared.status import SlotName

log = logging.getLogger(__name__)
READ_BYTES = 256 * 1024
AIR_TRIES = 3
"""Nobody can tell which of an object's chunks was wrong, so all are asked for again."""
Say = Callable[[str], None]


@runtime_checkable
class GivesBases(Protocol):
    """Slots whose bytes this process may not read: it is given those that are as they were signed."""

    def held(self, slot: SlotName, begin: int, size_bytes: int) -> Iterator[bytes]:
        """What a whole slot holds from `begin` on. Raises InstallFailed."""


class PackFiller:
    """Fetches packs and pours them; for one thread."""

    def __init__(
        self, slots: Slots, transfer: Transfer, spool: Spool, unpacker: Unpacker, air: Air | None = None
    ) -> None:
        self._slots, self._transfer, self._air = slots, transfer, air
        self.spool, self.unpacker = spool, unpacker
        self._proved = ""
        """The pack that was fetched ahead and whose hash was found right: it is not hashed twice."""

    def fill(self, pour: Pour, manifest: Manifest, left: Sequence[Piece], packs: Sequence[Pack], places: Places,
             stop: Stop) -> bool:  # fmt: skip
        """Take the packs one after the other; False where one of them failed, so that others are worth a try."""
        right = True
        for number, pack in enumerate(packs):
            missing = pour.left_of(left)
            if not missing:
                return right
            used_up = False
            with self.spool.object(pack.sha256) as held:
                had = held.size_bytes
                try:
                    self.bring("a pack", pack.sha256, pack.size_bytes, places, held, stop)
                    with self._fetching_ahead(packs[number + 1 : number + 2], missing, places, stop):
                        used_up = self._unpack(pour, manifest, missing, pack, held, stop)
                except (InstallFailed, Unreachable) as error:
                    if not gives_way(error, held.size_bytes - had):
                        raise
                    log.warning("pack_failed sha256=%s error=%s", pack.sha256, error)
                    pour.say(error.message)
                held.spend()
            if used_up:
                self.spool.finish(pack.sha256)
            else:
                self.spool.drop(pack.sha256)
            right &= used_up
        return right

    def manifest(self, digest: str, size_bytes: int, packs: Sequence[Pack], places: Places, stop: Stop) -> bytes | None:
        """Make the manifest of that digest of one that a slot holds, or of nothing; None where no pack does."""
        worth = [pack for pack in packs if pack.to_digest == digest and 0 < pack.size_bytes < size_bytes]
        if not worth:
            return None
        ready = self.unpacker.ready()
        for pack in worth:
            able = pack.encoding in ready.encodings and (ready.patches or pack.from_digest == WHOLE)
            if not able or pack.size_bytes > self.spool.room_bytes():
                continue
            base = self._manifest_held(pack.from_digest)
            if base is None:
                continue
            raw = self._manifest_by(pack, size_bytes, base, places, stop)
            self.spool.drop(pack.sha256)
            if raw is not None:
                return raw
        return None

    def _manifest_by(self, pack: Pack, size_bytes: int, base: bytes, places: Places, stop: Stop) -> bytes | None:
        with self.spool.object(pack.sha256) as held:
            had = held.size_bytes
            try:
                self.bring("the manifest's pack", pack.sha256, pack.size_bytes, places, held, stop)
                raw = self._made_manifest(pack, held, size_bytes, base, stop)
                if digest_of(raw) != pack.to_digest:
                    raise InstallFailed("artifact_corrupt", "A pack makes another manifest than it says.")
            except (InstallFailed, Unreachable) as error:
                if not gives_way(error, held.size_bytes - had):
                    raise
                log.warning("manifest_pack_failed sha256=%s error=%s", pack.sha256, error)
                return None
            return raw

    def _manifest_held(self, digest: str) -> bytes | None:
        """The manifest of that digest, where a slot has it."""
        if digest == WHOLE:
            return b""
        raws = (self._slots.signed(slot) for slot in SlotName if self._slots.digest(slot) == digest)
        return next((raw for raw in raws if raw is not None and digest_of(raw) == digest), None)

    def _made_manifest(self, pack: Pack, held: Held, size_bytes: int, base: bytes, stop: Stop) -> bytes:
        encoding = Encoding(pack.encoding)
        index = self.unpacker.index(held.handle, encoding, stop)
        if [(member.target, member.at, member.size_bytes) for member in index.members] != [(0, 0, size_bytes)]:
            raise InstallFailed("artifact_corrupt", "A pack of a manifest makes something else.")

        def feed(member: Member) -> Iterator[bytes]:
            yield from (base[part.at : part.at + part.size_bytes] for part in member.bases)

        with self.unpacker.members(held.handle, encoding, index, {0}, feed, stop) as unpacked:
            return b"".join(unpacked.part(size_bytes))

    @contextmanager
    def _fetching_ahead(
        self, following: Sequence[Pack], missing: Sequence[Piece], places: Places, stop: Stop
    ) -> Iterator[None]:
        """Fetch the next pack while this one is unpacked, where the disk has room for it beside the slot.

        Nobody else fetches meanwhile. Whatever becomes of it, the next one in turn goes on from what came.
        """
        slot_bytes = 0 if self._slots.kind is SlotKind.IMAGE else sum(piece.size_bytes for piece in missing)
        fitting = [pack for pack in following if pack.size_bytes <= self.spool.room_bytes() - slot_bytes]
        ended = threading.Event()

        def over() -> bool:
            return stop() or ended.is_set()

        def fetch() -> None:
            for pack in fitting:
                with contextlib.suppress(InstallFailed, Unreachable), self.spool.object(pack.sha256) as held:
                    self._from_places("a pack", pack.sha256, pack.size_bytes, places, held, over)
                    self._proved = pack.sha256

        fetcher = threading.Thread(target=fetch, name="pack-ahead", daemon=True)
        fetcher.start()
        try:
            yield
        except BaseException:
            ended.set()
            raise
        finally:
            fetcher.join()

    def bring(self, what: str, name: str, size_bytes: int, places: Places, held: Held, stop: Stop) -> None:
        """Have an object whole in the spool, its own hash checked: only then is it worth unpacking."""
        try:
            if name != self._proved or held.size_bytes != size_bytes:
                self._from_places(what, name, size_bytes, places, held, stop)
        except (InstallFailed, Unreachable) as error:
            if not self.heard(places, error):
                raise
            self.from_the_air(what, name, size_bytes, places, held, stop)
        if self._transfer.owed is not None:
            self._transfer.bring(self._transfer.owed, name, size_bytes, whole_file(held.handle), stop)

    def _from_places(self, what: str, name: str, size_bytes: int, places: Places, held: Held, stop: Stop) -> None:
        whole = Piece(what, name, size_bytes, 0, size_bytes)

        def rest(place: Place) -> None:
            try:
                for chunk in self._transfer.chunks(place, places.lease.rate_bytes_per_s, whole, held.size_bytes, stop):
                    held.append(chunk)
            except Changed:
                held.restart()
                raise

        def fetch(place: Place) -> None:
            air.in_a_row(held)
            if held.size_bytes > size_bytes:
                held.restart()
            begun = held.size_bytes > 0
            if held.size_bytes < size_bytes:
                rest(place)
            try:
                self._judge(what, name, held)
            except InstallFailed:
                if not begun:
                    raise
                rest(place)  # what was there before may have been the wrong part of it
                self._judge(what, name, held)

        self._transfer.from_any(places, name, what, fetch, stop)

    def heard(self, places: Places, error: SurefootError) -> bool:
        """Whether what no place brought may come over MQTT: not where a lease ended, or a server asks to wait."""
        usable = self._air is not None and places.lease.chunk_bytes > 0
        return usable and (error.kind in GIVEN_UP or not places.lease.sources or bool(places.silent))

    def from_the_air(self, what: str, name: str, size_bytes: int, places: Places, held: Held, stop: Stop) -> None:
        """Have an object whole in the spool over MQTT; from then on it is asked there first."""
        assert self._air is not None  # `heard` looked
        if size_bytes - held.stored_bytes() > self.spool.room_bytes():
            message = f"There is no room for the {size_bytes} bytes of {what} on their way over MQTT."
            raise InstallFailed("no_space", message)
        for tries_left in reversed(range(AIR_TRIES)):
            self._transfer.obey_lease()
            try:
                came = self._air.bring(
                    name, size_bytes, places.lease.chunk_bytes, held, lambda: stop() or self._transfer.is_over()
                )
            except InstallFailed:
                if not stop():
                    self._transfer.obey_lease()
                raise
            self._transfer.arrived[Kind.AIR] += came
            try:
                self._judge(what, name, held)
            except InstallFailed:
                if not tries_left:
                    raise
            else:
                break
        places.silent.add(Kind.AIR.value)

    def _judge(self, what: str, name: str, held: Held) -> None:
        if digest(held.handle) != name:
            held.restart()
            raise InstallFailed("artifact_corrupt", f"What came for {what} is not what its name says.")

    def _unpack(
        self, pour: Pour, manifest: Manifest, left: Sequence[Piece], pack: Pack, held: Held, stop: Stop
    ) -> bool:
        encoding = Encoding(pack.encoding)
        index = self.unpacker.index(held.handle, encoding, stop)
        if (index.from_digest, index.to_digest) != (pack.from_digest, pack.to_digest):
            raise InstallFailed("artifact_corrupt", "A pack is of other releases than it was offered for.")
        by_target = targets(manifest, left)
        wanted = {number for number, member in enumerate(index.members) if member.target in by_target}
        if not wanted:
            return True
        feed = feed_of(self._slots, pour.slot.other)
        with self.unpacker.members(held.handle, encoding, index, wanted, feed, stop) as unpacked:
            right = True
            for target, members in runs(index, wanted):
                right &= pour.into(by_target[target], Cursor(members[0].at, _made(members, unpacked)))
        return right


def targets(manifest: Manifest, left: Sequence[Piece]) -> Mapping[int, Sequence[Piece]]:
    """The pieces that are left, by the number of the target in packs: of one content at several paths, the first."""
    found: dict[int, list[Piece]] = {}
    if manifest.image is not None:
        for piece in left:
            found.setdefault(piece.chunk, []).append(piece)
        return found
    numbers: dict[str, int] = {}
    for number, file in enumerate(manifest.files):
        numbers.setdefault(file.sha256, number)
    for piece in left:
        if piece.sha256 in numbers and numbers[piece.sha256] not in found:
            found[numbers[piece.sha256]] = [piece]
    return found


def runs(index: PackIndex, wanted: set[int]) -> Iterator[tuple[int, Sequence[Member]]]:
    """The wanted members, target by target."""
    chosen = (index.members[number] for number in sorted(wanted))
    for target, members in itertools.groupby(chosen, key=lambda member: member.target):
        yield target, list(members)


def feed_of(slots: Slots, other: SlotName) -> Callable[[Member], Iterator[bytes]]:
    """Where the bases of patches are read: the files, or the image, of the other slot. Raises InstallFailed."""
    held = slots.installed(other)
    root = slots.path(other)

    def path(number: int) -> Path:
        if held is None or (held.image is None and number >= len(held.files)):
            raise InstallFailed("artifact_corrupt", "A pack names a file that the other slot does not hold.")
        return root if held.image is not None else root / held.files[number].path

    def feed(member: Member) -> Iterator[bytes]:
        for base in member.bases:
            if isinstance(slots, GivesBases):
                yield from slots.held(other, base.at, base.size_bytes)
                continue
            with open(path(base.file), "rb", buffering=0) as file:
                yield from span(file.fileno(), base.at, base.size_bytes)

    return feed


def span(handle: int, at: int, size: int) -> Iterator[bytes]:
    while size and (part := os.pread(handle, min(size, READ_BYTES), at)):
        at, size = at + len(part), size - len(part)
        yield part


def whole_file(handle: int) -> Iterator[bytes]:
    return span(handle, 0, os.fstat(handle).st_size)


def digest(handle: int) -> str:
    hasher = hashlib.sha256()
    for part in whole_file(handle):
        hasher.update(part)
    return hasher.hexdigest()


def _made(members: Sequence[Member], unpacked: Unpacked) -> Iterator[bytes]:
    for member in members:
        yield from unpacked.part(member.size_bytes)
