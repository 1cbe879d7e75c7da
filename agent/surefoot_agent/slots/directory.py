"""A/B directory slots: a tree of regular files, written file by file, verified, and sealed whole.

Promises: a slot counts as installed only with its seal, and the seal is gone before the first byte changes; every file
is hashed while it is written and again from the medium before the seal; an interrupted write goes on where it stopped;
a file that the other slot holds is hard-linked, not fetched (installed files are read-only, so neither copy changes
through the other). Refuses by construction links, devices, set-uid files and paths outside the tree: only regular files
with mode 0644 or 0755 less the write bits are ever made, and whatever else is found in a slot is removed.

On disk: slots/A (tree), slots/A.manifest (raw bytes), slots/A.sealed ({"digest": …}), slots/A.part/ (by sha256).
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from surefoot_agent import durable
from surefoot_agent.ports import Bytes, Piece
from surefoot_agent.slots import tree
from surefoot_agent.slots.kind import refuse_other_kind
from surefoot_agent.slots.label import Labelled, Labels
from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import Manifest, SlotKind, TreeFile
from surefoot_shared.status import SlotName

LINK = "link"
"""Name in the part folder that a hard link has until it is renamed into the tree; no sha256 is spelt so."""


@dataclass(frozen=True)
class _Listed:
    """The files of one release, found by path and by content: each index is made when it is first needed."""

    digest: str
    files: Sequence[TreeFile]

    @cached_property
    def by_path(self) -> Mapping[str, TreeFile]:
        return {file.path: file for file in self.files}

    @cached_property
    def by_sha256(self) -> Mapping[str, Sequence[TreeFile]]:
        found: dict[str, tuple[TreeFile, ...]] = {}  # most have one: a list would take twice the memory
        for file in self.files:
            found[file.sha256] = (*found.get(file.sha256, ()), file)
        return found


class DirectorySlots(Labelled):
    """Slots port of one component. Not for two threads writing at once: the runner has one installer."""

    kind = SlotKind.TREE

    def __init__(self, component_dir: Path, reserve_bytes: int = 0, reserve_inodes: int = 0, make: bool = True) -> None:
        """`make` False: for whoever only reads what another user writes."""
        self._root = component_dir / "slots"
        self._reserve_bytes = reserve_bytes
        self._reserve_inodes = reserve_inodes
        self._labels = Labels(self._root, make)
        self._listed: dict[SlotName, _Listed] = {}
        for slot in SlotName if make else ():
            durable.make_folder(self.path(slot))

    def path(self, slot: SlotName) -> Path:
        return self._root / slot.value

    def room(self, size_bytes: int, inodes: int, slot: SlotName) -> None:
        """Raise InstallFailed(no_space) unless the tree fits beside the reserve; the slot's own files count as free."""
        self._fits(size_bytes, inodes, (self.path(slot), self._part_folder(slot)))

    def room_for_one(self, size_bytes: int, inodes: int) -> None:
        """The same with both slots given up first."""
        self._fits(size_bytes, inodes, [f for slot in SlotName for f in (self.path(slot), self._part_folder(slot))])

    def _fits(self, size_bytes: int, inodes: int, given_up: Sequence[Path]) -> None:
        state = os.statvfs(self._root)
        own_bytes, own_inodes = tree.reclaimable(*given_up)
        free = state.f_bavail * state.f_frsize + own_bytes
        needed = size_bytes + inodes * state.f_frsize + self._reserve_bytes  # a block more for the tail of each file
        if needed > free:
            raise InstallFailed("no_space", f"The release needs {needed} bytes with the reserve; {free} are free.")
        if state.f_files and inodes + self._reserve_inodes > state.f_favail + own_inodes:  # 0 of 0: btrfs has no limit
            raise InstallFailed("no_space", f"The release needs {inodes} inodes; {state.f_favail} are free.")

    def begin(self, slot: SlotName, manifest: Manifest, raw: bytes) -> None:
        """Unseal; drop what the manifest does not list; keep whole files and the beginnings of others."""
        refuse_other_kind(self.kind, manifest.slot)
        with _disk():
            self._labels.unseal(slot)
            durable.make_folder(self.path(slot))
            durable.make_folder(self._part_folder(slot))
            self._labels.write(slot, manifest, raw)
            tree.prune(self.path(slot), {f.path: f for f in manifest.files})
            tree.prune_parts(self._part_folder(slot), {f.sha256 for f in manifest.files})

    def missing(self, slot: SlotName) -> Sequence[Piece]:
        """Files that are not in place; those in place were verified by `begin` or `write`."""
        return tuple(_piece(f) for f in self._wanted(slot).files if not self._place(slot, f).is_file())

    def reuse(self, slot: SlotName, piece: Piece) -> Sequence[Piece]:
        """Link the file from this or the other slot where one holds its bytes; verified first, as flash rots."""
        wanted = self._file(slot, piece.name)
        with _disk():
            for source in self._holders(slot, wanted):
                if tree.matches(source, wanted):
                    tree.place_link(source, self._place(slot, wanted), self.path(slot), self._part_folder(slot) / LINK)
                    return ()
        return (piece,)

    def write(self, slot: SlotName, piece: Piece, source: Bytes) -> None:
        """Write one file through its part, which stays for the next try when `source` raises."""
        wanted = self._file(slot, piece.name)
        part = self._part_folder(slot) / wanted.sha256
        with _disk():
            tree.write_part(part, wanted, source)
            tree.place_part(part, self._place(slot, wanted), self.path(slot))

    def take(self, slot: SlotName, piece: Piece, file: Path) -> None:
        """Move a file to where the part of a piece is; `write` hashes it like any part."""
        with suppress(OSError):  # another disk, or another user's: `write` gets its bytes from the source
            os.rename(file, self._part_folder(slot) / self._file(slot, piece.name).sha256)

    def verify(self, slot: SlotName) -> None:
        """Read every file back; raises InstallFailed(slot_corrupt), and then seal and wrong files are gone."""
        manifest = self._wanted(slot)
        with _disk():
            wrong = tree.audit(self.path(slot), {f.path: f for f in manifest.files})
            if wrong:
                self._labels.unseal(slot)
                tree.prune(self.path(slot), {f.path: f for f in manifest.files if f.path not in wrong})
        if wrong:
            raise InstallFailed("slot_corrupt", _words(slot, wrong))

    def problem(self, slot: SlotName) -> str | None:
        """Read what a sealed slot holds back and say what is wrong; unlike `verify` it changes nothing."""
        manifest = self.installed(slot)
        with _disk():
            wrong = tree.audit(self.path(slot), {f.path: f for f in manifest.files}) if manifest else set()
        return _words(slot, wrong) if wrong else None

    def damage(self, slot: SlotName) -> str | None:
        """As `problem`, but for what lies beside the release: interpreters leave compiled files there."""
        manifest = self.installed(slot)
        with _disk():
            wrong = tree.damaged(self.path(slot), {f.path: f for f in manifest.files}) if manifest else set()
        return _words(slot, wrong) if wrong else None

    def seal(self, slot: SlotName) -> None:
        """Verify, make every name durable, and mark the slot whole."""
        with _disk():
            tree.sync_folders(self.path(slot))
        self.verify(slot)
        with _disk():
            self._labels.seal(slot)
            shutil.rmtree(self._part_folder(slot), ignore_errors=True)

    def clear(self, slot: SlotName) -> None:
        """Empty the slot; the seal goes first."""
        with _disk():
            self._labels.forget(slot)
            tree.prune(self.path(slot), {})
            shutil.rmtree(self._part_folder(slot), ignore_errors=True)

    def _holders(self, slot: SlotName, wanted: TreeFile) -> Iterator[Path]:
        for holder in SlotName:
            if holder is not slot and self.digest(holder) is None:
                continue
            for file in self._files(holder).by_sha256.get(wanted.sha256, ()):
                if file.mode == wanted.mode and self._place(holder, file).is_file():
                    yield self._place(holder, file)

    def _wanted(self, slot: SlotName) -> Manifest:
        return self._labels.content(slot).manifest

    def _file(self, slot: SlotName, path: str) -> TreeFile:
        try:
            return self._files(slot).by_path[path]
        except KeyError as error:
            message = f"{path!r} is not in the manifest of slot {slot.value}."
            raise InstallFailed("slot_write_failed", message) from error

    def _files(self, slot: SlotName) -> _Listed:
        content = self._labels.content(slot)
        if slot not in self._listed or self._listed[slot].digest != content.digest:
            self._listed[slot] = _Listed(content.digest, content.manifest.files)
        return self._listed[slot]

    def _place(self, slot: SlotName, file: TreeFile) -> Path:
        return self.path(slot) / file.path

    def _part_folder(self, slot: SlotName) -> Path:
        return self._root / f"{slot.value}.part"


def _piece(file: TreeFile) -> Piece:
    return Piece(file.path, file.sha256, file.size, 0, file.size)


@contextmanager
def _disk() -> Iterator[None]:
    """Translate what the disk says into what the device reports."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InstallFailed("no_space", "The disk became full while the slot was written.") from error
        where = f" ({error.filename})" if error.filename else ""
        raise InstallFailed(
            "slot_write_failed", f"The slot cannot be written: {error.strerror or error}{where}."
        ) from error


def _words(slot: SlotName, wrong: Collection[str]) -> str:
    named = ", ".join(sorted(wrong)[:3])
    return f"{len(wrong)} files of slot {slot.value} are not as signed: {named}."
