"""What a release holds, as numbered bytes: the files of a tree or the chunks of an image, read from the store's files.

Promises: numbers are those of `surefoot_shared.pack`; a read never leaves what was asked for, and reads of an image
show zeros where its blocks are zeros, as a slot does. Raises OSError where a blob is gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from surefoot_shared.errors import Invalid
from surefoot_shared.image import Index
from surefoot_shared.release import Manifest

PathOf = Callable[[str], Path]
CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Contents:
    """`digest` is the manifest's; `path_of` says where a blob lies."""

    digest: str
    manifest: Manifest
    path_of: PathOf

    @cached_property
    def targets(self) -> Mapping[str, int]:
        """What must be there to have it all: sha256 → number, the first that has it."""
        if self._index:
            blobs = [(self._index.blob(chunk), chunk) for chunk in range(self._index.chunks)]
            return _first((blob.sha256, chunk) for blob, chunk in blobs if blob.size_bytes)
        return _first((file.sha256, number) for number, file in enumerate(self.manifest.files) if file.size)

    @cached_property
    def sizes(self) -> Mapping[int, int]:
        """Number of a target → its size in bytes."""
        return {number: self.manifest.blobs[sha256] for sha256, number in self.targets.items()}

    @cached_property
    def files(self) -> tuple[tuple[str, int], ...]:
        """What can be a base, by number: (name, size in bytes). An image is one file."""
        image = self.manifest.image
        return (("", image.size_bytes),) if image else tuple((f.path, f.size) for f in self.manifest.files)

    def name(self, target: int) -> str:
        return "" if self._index else self.manifest.files[target].path

    def target_bytes(self, target: int, at: int, size_bytes: int) -> bytes:
        """Bytes of a target."""
        sha256 = self._index.blob(target).sha256 if self._index else self.manifest.files[target].sha256
        return _read(self.path_of(sha256), at, size_bytes)

    def base_bytes(self, file: int, at: int, size_bytes: int) -> bytes:
        """Bytes of what can be a base."""
        if self._index is None:
            return _read(self.path_of(self.manifest.files[file].sha256), at, size_bytes)
        index, end, parts = self._index, at + size_bytes, []
        stride = index.block_bytes * index.chunk_blocks
        for chunk in range(at // stride, -(-end // stride)):
            begin = chunk * stride
            parts.append(self._chunk(index, chunk)[max(0, at - begin) : end - begin])
        return b"".join(parts)

    @cached_property
    def _index(self) -> Index | None:
        return self.manifest.image.index() if self.manifest.image else None

    def _chunk(self, index: Index, chunk: int) -> bytes:
        blob = index.blob(chunk)
        carried = self.path_of(blob.sha256).read_bytes() if blob.size_bytes else b""
        out, at = bytearray(), 0
        for block in index.chunk(chunk):
            length = index.length(block)
            if index.is_zero(block):
                out += bytes(length)
            else:
                out += carried[at : at + length]
                at += length
        return bytes(out)


def refuse_damaged(contents: Contents) -> None:
    """Raise Invalid where the store's disk changed a byte: a patch of it would be made, proved, and fit no device."""
    for sha256 in contents.manifest.blobs:
        hasher = hashlib.sha256()
        with contents.path_of(sha256).open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                hasher.update(chunk)
        if hasher.hexdigest() != sha256:
            raise Invalid("artifact_corrupt", f"Blob {sha256[:12]} of the release before is damaged.")


def _first(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for sha256, number in pairs:
        found.setdefault(sha256, number)
    return found


def _read(path: Path, at: int, size_bytes: int) -> bytes:
    with path.open("rb") as file:
        file.seek(at)
        found = file.read(size_bytes)
    if len(found) != size_bytes:
        raise OSError(f"{path} is shorter than its release says")
    return found
