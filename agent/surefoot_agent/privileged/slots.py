"""The agent's side of the slots: what is known of them is read here, everything that writes is asked for.

Promises: nothing is written by this process; a release is begun only with the metadata that proves it; bytes go to the
other side and count there, by their signed hashes. What a slot lacks is told by what the other side left on the disk.
The bytes of an image are closed to this process: as bases of patches the other side gives them, where they are signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent.ports import Bytes, Piece
from surefoot_agent.privileged.proxies import Line, unreachable
from surefoot_agent.privileged.talk import CHUNK_BYTES, ROOTS_LIMIT, Gone, Verb
from surefoot_agent.slots import progress
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_agent.slots.label import Labelled, Labels
from surefoot_agent.slots.pieces import pieces_of
from surefoot_agent.slots.progress import Progress
from surefoot_shared.errors import InstallFailed, UntrustedRelease
from surefoot_shared.release import Manifest, SlotKind, digest_of, role_name
from surefoot_shared.status import SlotName
from surefoot_shared.trust.fields import IMAGE


@dataclass(frozen=True)
class Evidence:
    """Where the agent keeps the verified metadata that proves a manifest."""

    trust_folder: Path

    def frames(self, component: str) -> tuple[bytes, bytes, tuple[bytes, ...]]:
        """Return top level, release role and every newer root. Raises UntrustedRelease where they are not there."""
        folder = self.trust_folder / IMAGE
        roots = sorted((folder / "root_history").glob("*.root.json"), key=lambda p: int(p.name.partition(".")[0]))
        try:
            targets, role = (
                (folder / "targets.json").read_bytes(),
                (folder / f"{role_name(component)}.json").read_bytes(),
            )
            return targets, role, tuple(path.read_bytes() for path in roots[-ROOTS_LIMIT:])
        except OSError as error:
            message = f"The metadata that proves a release of {component} is not here: {error.strerror}."
            raise UntrustedRelease("bundle_malformed", message) from error


class Writing:
    """The half of the Slots port that changes something, the same for every kind."""

    _line: Line
    _evidence: Evidence

    def begin(self, slot: SlotName, manifest: Manifest, raw: bytes) -> None:
        targets, role, roots = self._evidence.frames(manifest.component)
        frames = (raw, targets, role, *roots)
        self._line.ask(Verb.PROVE, frames, sizes=tuple(map(len, frames)), assignment=digest_of(raw))
        try:
            self._line.ask(Verb.BEGIN, slot=slot, digest=digest_of(raw))
        except UntrustedRelease as error:  # it remembered the proof of a moment before, unless it died in between
            raise unreachable(error) from error

    def reuse(self, slot: SlotName, piece: Piece) -> Sequence[Piece]:
        return self._line.ask(Verb.REUSE, slot=slot, piece=piece).pieces

    def write(self, slot: SlotName, piece: Piece, source: Bytes) -> None:
        reply = self._line.ask(Verb.WRITE, slot=slot, piece=piece)
        while reply.offset is not None:
            self._stream(_no_more(source(reply.offset), piece.end - reply.offset))
            try:
                reply = self._line.answer()
            except Gone as gone:
                self._line.drop()
                raise unreachable(gone) from gone

    def _stream(self, chunks: Iterable[bytes]) -> None:
        """A source that fails leaves the talk in the middle: only a new connection is in step again."""
        there = self._line.wire()
        try:
            for chunk in chunks:
                for begin in range(0, len(chunk), CHUNK_BYTES):
                    there.send(chunk[begin : begin + CHUNK_BYTES])
            there.send(b"")
        except Gone as gone:
            self._line.drop()
            raise unreachable(gone) from gone
        except BaseException:
            self._line.drop()
            raise

    def seal(self, slot: SlotName) -> None:
        self._line.ask(Verb.SEAL, slot=slot)

    def clear(self, slot: SlotName) -> None:
        self._line.ask(Verb.CLEAR, slot=slot)


def _no_more(chunks: Iterable[bytes], size_bytes: int) -> Iterator[bytes]:
    """What a source brings, ended where it brings too much: the other side refuses that in words."""
    for chunk in chunks:
        yield chunk
        size_bytes -= len(chunk)
        if size_bytes < 0:
            return


class PrivilegedSlots(Writing, DirectorySlots):
    """Slots port of a component of directories."""

    def __init__(
        self, component_dir: Path, line: Line, evidence: Evidence, reserve_bytes: int, reserve_inodes: int
    ) -> None:
        DirectorySlots.__init__(self, component_dir, reserve_bytes, reserve_inodes, make=False)
        self._line, self._evidence = line, evidence


class PrivilegedImages(Writing, Labelled):
    """Slots port of a component of images."""

    kind = SlotKind.IMAGE

    def __init__(self, component_dir: Path, devices: Mapping[SlotName, Path], line: Line, evidence: Evidence) -> None:
        self._folder, self._devices = component_dir / "slots", dict(devices)
        self._line, self._evidence = line, evidence
        self._labels = Labels(self._folder, make=False)

    def path(self, slot: SlotName) -> Path:
        return self._devices[slot]

    def room(self, size_bytes: int, inodes: int, slot: SlotName) -> None:
        self._line.ask(Verb.ROOM, slot=slot, size_bytes=size_bytes, inodes=inodes)

    def missing(self, slot: SlotName) -> Sequence[Piece]:
        """What was not in place when the other side noted it last; asked to reuse a piece, it knows better."""
        content = self._labels.content(slot)
        assert content.manifest.image is not None  # of this kind: the other side began it
        index = content.manifest.image.index()
        noted = progress.load(self._folder / f"{slot.value}.progress", content.digest, index.count)
        return tuple(pieces_of(index, noted or Progress.none(content.digest, index.count)))

    def held(self, slot: SlotName, begin: int, size_bytes: int) -> Iterator[bytes]:
        """Yield part of what a whole slot holds; raises InstallFailed where it is not as it was signed."""
        end = begin + size_bytes
        while begin < end:
            size = self._line.ask(
                Verb.READ, slot=slot, begin=begin, size_bytes=min(end - begin, CHUNK_BYTES)
            ).size_bytes
            try:
                part = self._line.wire().receive(CHUNK_BYTES)
                self._line.answer()
            except Gone as gone:
                self._line.drop()
                raise unreachable(gone) from gone
            if not part or len(part) != size:
                raise InstallFailed("slot_corrupt", f"Slot {slot.value} ends before {end} bytes.")
            begin += len(part)
            yield part
