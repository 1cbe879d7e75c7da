"""A/B image slots: block devices or files that are written block by block, verified, and sealed whole.

Promises: a slot counts as installed only with its seal, which lies on the data partition and is gone before the first
byte changes; a block is written only after its bytes matched their signed hash; an interrupted write goes on where it
stopped, and what is there already is compared with the medium, never believed; a block that the other slot holds is
copied from there, verified, and not fetched. The first block, without which nothing can be mounted or booted, is wiped
first and written last. `seal` reads every block back past the page cache (see `medium`). Refuses a slot that is
mounted, missing, too small, or the same as the other. What lies behind the end of the image is left as it is.

On disk: slots/A.manifest and slots/A.sealed (see `label`), slots/A.progress (see `progress`).
"""

from __future__ import annotations

import logging
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent.ports import Bytes, Piece
from surefoot_agent.slots import progress
from surefoot_agent.slots.kind import refuse_other_kind
from surefoot_agent.slots.label import Content, Labelled, Labels
from surefoot_agent.slots.medium import Medium, compare_blocks, read_blocks, size_of
from surefoot_agent.slots.pieces import first_left, pieces_of, runs_left, whole_blocks
from surefoot_agent.slots.progress import NOTE_BYTES, Progress
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.image import Index
from surefoot_shared.release import Manifest, SlotKind, digest_of
from surefoot_shared.status import SlotName

log = logging.getLogger(__name__)
NOWHERE = -1


@dataclass
class _Filling:
    """One slot being filled by this process: since `begin`, until `seal` or `clear`."""

    index: Index
    progress: Progress
    medium: Medium | None = None
    unnoted: int = 0
    """Bytes written since the progress was last stored."""
    left: int = 0
    """Blocks that are not in place."""
    elsewhere: array[int] | None = None
    """For each block the number of one in the other slot that has its bytes, or NOWHERE."""


class ImageSlots(Labelled):
    """Slots port of one component. Not for two threads writing at once: the runner has one installer."""

    kind = SlotKind.IMAGE

    def __init__(
        self,
        component_dir: Path,
        devices: Mapping[SlotName, Path],
        reserve_bytes: int = 0,
        open_medium: Callable[[Path], Medium] = Medium,
    ) -> None:
        self._folder, self._devices, self._reserve_bytes = component_dir / "slots", dict(devices), reserve_bytes
        self._open_medium = open_medium
        self._labels = Labels(self._folder)
        self._filling: dict[SlotName, _Filling] = {}
        self._read: tuple[str, Index] | None = None
        """The index of whose parts are read, with its digest: decoded once for thousands of parts."""

    def path(self, slot: SlotName) -> Path:
        return self._devices[slot]

    def room(self, size_bytes: int, inodes: int, slot: SlotName) -> None:
        """Raise InstallFailed unless the image fits the slot, and its manifest beside the reserve."""
        self._refuse_unfit(slot, size_bytes)
        state = os.statvfs(self._folder)
        free, needed = state.f_bavail * state.f_frsize, size_bytes // 512 + self._reserve_bytes  # a manifest: 1/1,490
        if needed > free:
            message = f"The manifest needs {needed} bytes on the data partition with the reserve; {free} are free."
            raise InstallFailed("no_space", message)

    def begin(self, slot: SlotName, manifest: Manifest, raw: bytes) -> None:
        """Compare what may be in place already; unless that is all, unseal the slot and wipe its first block."""
        refuse_other_kind(self.kind, manifest.slot)
        assert manifest.image is not None  # of this kind
        self._refuse_unfit(slot, manifest.image.size_bytes)
        index, digest = manifest.image.index(), digest_of(raw)
        self.sync(slot)
        self._close(slot)
        found = self._found(slot, index, digest)
        filling = _Filling(index, found, None if found.whole else self._open_medium(self.path(slot)))
        self._labels.unseal(slot)
        self._filling[slot] = filling
        if filling.medium is not None:
            self._wipe(filling)
        filling.left = found.place.count(0)
        progress.store(self._progress_file(slot), found)
        self._labels.write(slot, manifest, raw)

    def missing(self, slot: SlotName) -> Sequence[Piece]:
        """Chunks of which a block is not in place; the first block comes last, by itself."""
        filling = self._begun(slot)
        return tuple(pieces_of(filling.index, filling.progress))

    def reuse(self, slot: SlotName, piece: Piece) -> Sequence[Piece]:
        """Write the piece's zeros, and the blocks that the other slot holds; return what is left, in runs."""
        filling = self._begun(slot)
        for block in filling.index.chunk(piece.chunk):
            if not filling.progress.has(block) and filling.index.is_zero(block):
                self._put(slot, filling, block, bytes(filling.index.length(block)))
        self._copy(slot, filling, [block for block, _ in first_left(filling.index, filling.progress, piece)])
        return tuple(runs_left(filling.index, filling.progress, piece))

    def write(self, slot: SlotName, piece: Piece, source: Bytes) -> None:
        """Write the blocks of one piece; those that matched stay when `source` raises or lies."""
        filling = self._begun(slot)
        left = first_left(filling.index, filling.progress, piece)
        if not left:
            return
        try:
            self._take(slot, filling, piece, left, source(left[0][1]))
        except Unreachable:
            self._note(slot, filling)
            raise

    def sync(self, slot: SlotName) -> None:
        """Put everything that was written onto the medium, and remember it."""
        if slot in self._filling:
            self._note(slot, self._filling[slot])

    def seal(self, slot: SlotName) -> None:
        """Put everything onto the medium, read it back from there, and mark the slot whole."""
        self._read = None
        self.sync(slot)
        self._close(slot)
        self.verify(slot)
        self._labels.seal(slot)

    def verify(self, slot: SlotName) -> None:
        """Read every block from the medium; raises InstallFailed(slot_corrupt), and forgets seal and wrong ones."""
        content, index = self._image(slot)
        found = Progress.none(content.digest, index.count)
        self._compare(self.path(slot), index, range(index.count), found)
        self._filling.pop(slot, None)
        progress.store(self._progress_file(slot), found)
        if not found.whole:
            self._labels.unseal(slot)
            raise InstallFailed("slot_corrupt", _words(slot, found))

    def problem(self, slot: SlotName) -> str | None:
        """Read what a sealed slot holds back and say what is wrong; unlike `verify` it changes nothing."""
        content, index = self._image(slot)
        found = Progress.none(content.digest, index.count)
        self._compare(self.path(slot), index, range(index.count), found)
        return None if found.whole else _words(slot, found)

    def signed_part(self, slot: SlotName, begin: int, size_bytes: int) -> bytes:
        """Return part of a sealed slot, read from the medium; shorter at its end.

        Raises InstallFailed(slot_corrupt) where one of its blocks is not as it was signed.
        """
        content = self._labels.whole(slot)
        if content is None or content.manifest.image is None:
            raise InstallFailed("slot_corrupt", f"Slot {slot.value} holds no whole image.")
        read = self._read  # sealing forgets it meanwhile
        if read is None or read[0] != content.digest:
            read = self._read = (content.digest, content.manifest.image.index())
        index = read[1]
        end = min(begin + size_bytes, index.size_bytes)
        blocks = range(begin // index.block_bytes, -(-end // index.block_bytes))
        found = bytearray()
        for block, part in read_blocks(self.path(slot), index, blocks):
            if not index.matches(block, part):
                raise InstallFailed("slot_corrupt", f"Block {block} of slot {slot.value} is not as signed.")
            found += part
        skipped = begin - blocks.start * index.block_bytes
        return bytes(memoryview(found)[skipped : skipped + max(0, end - begin)])

    def clear(self, slot: SlotName) -> None:
        """Let the slot hold nothing that could be mounted; a slot that cannot be written now holds no seal at least."""
        self._close(slot)
        content = self._labels.remembered(slot)
        self._labels.forget(slot)
        progress.forget(self._progress_file(slot))
        try:
            medium = self._open_medium(self.path(slot))
        except InstallFailed as error:
            log.warning("slot_not_wiped slot=%s kind=%s", slot.value, error.kind)
            return
        try:
            image = content.manifest.image if content else None
            medium.write(0, bytes(min(image.block_bytes, image.size_bytes) if image else 4096))
            medium.sync()
        finally:
            medium.close()

    def _found(self, slot: SlotName, index: Index, digest: str) -> Progress:
        """What is in place, read from the medium; but what this process has put there is not read again."""
        filling = self._filling.pop(slot, None)
        if filling is not None and filling.progress.digest == digest:
            return filling.progress
        found = Progress.none(digest, index.count)
        self._compare(self.path(slot), index, self._worth_a_look(slot, index, digest), found)
        return found

    def _worth_a_look(self, slot: SlotName, index: Index, digest: str) -> Sequence[int]:
        """Blocks that may be in place: as remembered, or as the release before had them; all where nothing is known."""
        known = progress.load(self._progress_file(slot), digest, index.count)
        if known is not None:
            return [block for block in range(index.count) if known.has(block)]
        before = self._labels.remembered(slot)
        image = before.manifest.image if before else None
        if before is None or image is None or image.block_bytes != index.block_bytes:
            return range(index.count)
        old = image.index()
        had = progress.load(self._progress_file(slot), before.digest, old.count)
        if had is None:
            return range(index.count)
        shared = range(min(old.count, index.count))
        return [block for block in shared if had.has(block) and old.digest(block) == index.digest(block)]

    def _compare(self, path: Path, index: Index, blocks: Sequence[int], found: Progress) -> None:
        for block, matches in compare_blocks(path, index, blocks):
            found.set(block, matches)

    def _wipe(self, filling: _Filling) -> None:
        """Until the last block is in place nothing must find a file system here, whatever boot control says."""
        assert filling.medium is not None  # it is open while anything is missing
        filling.medium.write(0, bytes(filling.index.length(0)))
        filling.medium.sync()
        filling.progress.set(0, filling.index.is_zero(0))

    def _copy(self, slot: SlotName, filling: _Filling, blocks: Sequence[int]) -> None:
        other = self._labels.whole(slot.other)
        image = other.manifest.image if other else None
        if image is None or not blocks:
            return
        if filling.elsewhere is None:
            filling.elsewhere = _elsewhere(filling.index, image.index())
        wanted = sorted((filling.elsewhere[b], b) for b in blocks if filling.elsewhere[b] != NOWHERE)
        held = self._held(slot.other, image.index(), [place for place, _ in wanted])
        for (_, block), content in zip(wanted, held, strict=False):
            if filling.index.matches(block, content):
                self._put(slot, filling, block, content)

    def _held(self, slot: SlotName, index: Index, blocks: Sequence[int]) -> Iterator[memoryview]:
        """What the other slot has; one that cannot be read costs a download, and never the update."""
        try:
            for _, content in read_blocks(self.path(slot), index, blocks) if blocks else ():
                yield content
        except InstallFailed as error:
            log.warning("slot_not_reused slot=%s kind=%s", slot.value, error.kind)

    def _take(
        self, slot: SlotName, filling: _Filling, piece: Piece, left: Sequence[tuple[int, int]], chunks: Iterable[bytes]
    ) -> None:
        lengths = [(block, filling.index.length(block)) for block, _ in left]
        for block, content in whole_blocks(chunks, lengths, piece.name):
            if not filling.index.matches(block, content):
                message = f"What was fetched for block {block} does not match its signed hash."
                raise InstallFailed("artifact_corrupt", message)
            if not filling.progress.has(block):
                self._put(slot, filling, block, content)

    def _put(self, slot: SlotName, filling: _Filling, block: int, content: bytes | memoryview) -> None:
        """Write a block whose bytes were verified; the first one only when all others are on the medium."""
        assert filling.medium is not None  # it is open while anything is missing
        if block == 0:
            self._sync(slot, filling.medium)
        filling.medium.write(block * filling.index.block_bytes, content)
        filling.left -= not filling.progress.has(block)
        filling.progress.set(block)
        filling.unnoted += len(content)
        if filling.unnoted >= NOTE_BYTES or not filling.left:  # whoever says that all is here must find it so later
            self._note(slot, filling)

    def _note(self, slot: SlotName, filling: _Filling) -> None:
        """Sync, then remember what is in place."""
        if filling.unnoted and filling.medium is not None:
            self._sync(slot, filling.medium)
            progress.store(self._progress_file(slot), filling.progress)
            filling.unnoted = 0

    def _sync(self, slot: SlotName, medium: Medium) -> None:
        """A sync that failed may have lost anything since the one before: then only the stored progress counts."""
        try:
            medium.sync()
        except InstallFailed:
            self._close(slot)
            del self._filling[slot]
            raise

    def _begun(self, slot: SlotName) -> _Filling:
        try:
            return self._filling[slot]
        except KeyError as error:
            raise InstallFailed("slot_write_failed", f"Nothing was begun in slot {slot.value}.") from error

    def _close(self, slot: SlotName) -> None:
        filling = self._filling.get(slot)
        if filling is not None and filling.medium is not None:
            filling.medium.close()
            filling.medium = None

    def _image(self, slot: SlotName) -> tuple[Content, Index]:
        content = self._labels.content(slot)
        if content.manifest.image is None:
            raise InstallFailed("slot_corrupt", f"The manifest of slot {slot.value} is of no image.")
        return content, content.manifest.image.index()

    def _refuse_unfit(self, slot: SlotName, size_bytes: int) -> None:
        has = size_of(self.path(slot))
        self._refuse_one_slot_for_both()
        if size_bytes > has:
            message = f"The image needs {size_bytes} bytes; slot {slot.value} ({self.path(slot)}) has {has}."
            raise InstallFailed("no_space", message, "Publish a smaller image: a slot cannot grow.")

    def _refuse_one_slot_for_both(self) -> None:
        """A slot of its own for each, or an update would write over what runs."""
        first, second = (self.path(slot) for slot in SlotName)
        try:
            same = os.path.samestat(first.stat(), second.stat()) or _number(first) == _number(second) != 0
        except OSError:
            return  # one that is missing is told by whoever opens it
        if same:
            raise InstallFailed("slot_in_use", f"{first} and {second} are one and the same.")

    def _progress_file(self, slot: SlotName) -> Path:
        return self._folder / f"{slot.value}.progress"


def _number(path: Path) -> int:
    return path.stat().st_rdev


def _elsewhere(index: Index, other: Index) -> array[int]:
    found = array("l", [NOWHERE]) * index.count
    if other.block_bytes != index.block_bytes:
        return found
    wanted = {index.digest(block) for block in range(index.count)}
    places = {digest: block for block, digest in _digests(other) if digest in wanted}
    for block, digest in _digests(index):
        found[block] = places.get(digest, NOWHERE)
    return found


def _digests(index: Index) -> Iterator[tuple[int, bytes]]:
    return ((block, index.digest(block)) for block in range(index.count))


def _words(slot: SlotName, found: Progress) -> str:
    wrong = found.place.count(0)
    return f"{wrong} blocks of slot {slot.value} are not as signed, first block {found.place.find(0)}."
