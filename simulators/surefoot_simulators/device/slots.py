"""The two slots of a simulated component: every byte real and hashed, in memory, on a disk of a stated size.

Promises: the same answers as a directory slot, held to the same contract; what was begun stays for the next try; a
full disk refuses before the first byte, and in the middle where it fills up then. The sizes that count for room and
for time are the simulated ones, so that a release of 300 MB is a few hundred bytes here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from surefoot_agent.ports import Bytes, Piece
from surefoot_agent.slots.kind import refuse_other_kind
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.release import Manifest, SlotKind, TreeFile, digest_of
from surefoot_shared.status import SlotName
from surefoot_simulators.device.board import Board

DISK_BYTES = 64 * 10**9


@dataclass
class Held:
    """What is on the medium of one slot."""

    manifest: Manifest | None = None
    raw: bytes = b""
    files: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, bytes] = field(default_factory=dict)
    """Beginnings, by the hash of the whole."""
    sealed: bool = False


class SimSlots:
    """Slots port."""

    kind = SlotKind.TREE

    def __init__(self, folder: Path, board: Board, size_of: Callable[[int], int] = lambda size: size) -> None:
        """`size_of` makes the simulated size of the real one."""
        self._folder, self._board, self._size_of = folder, board, size_of
        self._held = {slot: Held() for slot in SlotName}
        self.free_bytes = DISK_BYTES

    def path(self, slot: SlotName) -> Path:
        return self._folder / "slots" / slot.value

    def installed(self, slot: SlotName) -> Manifest | None:
        held = self._held[slot]
        return held.manifest if held.sealed else None

    def signed(self, slot: SlotName) -> bytes | None:
        held = self._held[slot]
        return held.raw if held.sealed else None

    def digest(self, slot: SlotName) -> str | None:
        held = self._held[slot]
        return digest_of(held.raw) if held.sealed else None

    def room(self, size_bytes: int, inodes: int, slot: SlotName) -> None:
        own = sum(self._size_of(len(content)) for content in self._held[slot].files.values())
        needed, free = self._size_of(size_bytes), self.free_bytes + own
        if needed > free:
            raise InstallFailed("no_space", f"The release needs {needed} bytes; {free} are free.")

    def room_for_one(self, size_bytes: int, inodes: int) -> None:
        """The same with both slots given up first."""
        own = sum(self._size_of(len(content)) for held in self._held.values() for content in held.files.values())
        needed, free = self._size_of(size_bytes), self.free_bytes + own
        if needed > free:
            raise InstallFailed("no_space", f"The release needs {needed} bytes; {free} are free.")

    def begin(self, slot: SlotName, manifest: Manifest, raw: bytes) -> None:
        refuse_other_kind(self.kind, manifest.slot)
        with self._board.around("slot begin"):
            held, wanted = self._held[slot], {file.path: file.sha256 for file in manifest.files}
            held.sealed, held.manifest, held.raw = False, manifest, raw
            held.files = {p: content for p, content in held.files.items() if wanted.get(p) == digest_of(content)}
            held.parts = {sha256: part for sha256, part in held.parts.items() if sha256 in wanted.values()}

    def missing(self, slot: SlotName) -> Sequence[Piece]:
        held = self._held[slot]
        return tuple(_piece(f) for f in _manifest(held, slot).files if f.path not in held.files)

    def reuse(self, slot: SlotName, piece: Piece) -> Sequence[Piece]:
        for held in self._held.values():
            for content in held.files.values():
                if digest_of(content) == piece.sha256:
                    self._held[slot].files[piece.name] = content
                    return ()
        return (piece,)

    def write(self, slot: SlotName, piece: Piece, source: Bytes) -> None:
        held = self._held[slot]
        with self._board.around("slot write"):
            if self._size_of(piece.size_bytes) > self.free_bytes:
                raise InstallFailed("no_space", "The disk is full.")
            for part in source(len(held.parts.get(piece.sha256, b""))):
                held.parts[piece.sha256] = held.parts.get(piece.sha256, b"") + part
                if len(held.parts[piece.sha256]) > piece.blob_bytes:
                    break
            if len(held.parts.get(piece.sha256, b"")) < piece.blob_bytes:
                raise Unreachable("unreachable", f"The source of {piece.name} ended too early.")
            content = held.parts.pop(piece.sha256, b"")
            if digest_of(content) != piece.sha256:
                raise InstallFailed("artifact_corrupt", f"The bytes of {piece.name} are not those that were signed.")
            held.files[piece.name] = content

    def seal(self, slot: SlotName) -> None:
        with self._board.around("slot seal"):
            held = self._held[slot]
            wrong = [f.path for f in _manifest(held, slot).files if not _is_whole(held, f)]
            if wrong:
                held.sealed = False
                for path in wrong:
                    held.files.pop(path, None)
                raise InstallFailed("slot_corrupt", f"{wrong[0]} in slot {slot.value} is not as signed.")
            held.sealed = True

    def clear(self, slot: SlotName) -> None:
        with self._board.around("slot clear"):
            self._held[slot] = Held()

    def rot(self, slot: SlotName) -> None:
        """Flash rots: a byte of the slot is another one from now on."""
        held = self._held[slot]
        for path, content in sorted(held.files.items())[:1]:
            held.files[path] = bytes([content[0] ^ 1]) + content[1:] if content else b"x"


def _manifest(held: Held, slot: SlotName) -> Manifest:
    if held.manifest is None:
        raise InstallFailed("slot_corrupt", f"Slot {slot.value} holds no release.")
    return held.manifest


def _is_whole(held: Held, file: TreeFile) -> bool:
    return file.path in held.files and digest_of(held.files[file.path]) == file.sha256


def _piece(file: TreeFile) -> Piece:
    return Piece(file.path, file.sha256, file.size, 0, file.size)
