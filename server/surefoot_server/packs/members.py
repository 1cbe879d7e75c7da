"""How each part of a new release is best made from the old one: as it is, or by a patch of what is there already.

Promises: a member stays within the limits of `surefoot_shared.pack`; a patch is taken only where it is smaller, as it
will travel, than the bytes themselves, and only after it was applied and gave the right bytes. Refuses to know where
packs are kept or whether they are wanted.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import hdiffpatch

from surefoot_server.packs.aligned import subtracted
from surefoot_server.packs.contents import Contents
from surefoot_server.packs.similar import Fingerprints, Stretch
from surefoot_shared.pack import MEMBER_LIMIT_BYTES, Base, Member, MemberKind

PART_BYTES = 6 * 1024 * 1024
"""Of a large target in one member. Parts of 16 MiB save half a percent, and cost a device 10 MiB more."""
BASES_BYTES = 28 * 1024 * 1024
"""A large library of before, whole; with 20 MiB the patch of one of 22 MB grew by a fifth."""
SMALL_BYTES = 64 * 1024
"""Below this all of a file that has the same name is the base; there are too few fingerprints to trust."""
NUMBERS = re.compile(r"[0-9a-f]{8,}|\d+")
"""What differs in the name of the same file of another version: numbers, and hashes of eight digits or more."""

Way = Callable[[bytes, bytes], bytes]
"""(what is patched, what shall come out) → the patch."""


@dataclass(frozen=True)
class Made:
    member: Member
    payload: bytes


def lacking(new: Contents, old: Contents | None) -> Iterator[tuple[int, int, int]]:
    """(target, at, size in bytes) of what the old release lacks, in the order of members."""
    have = old.manifest.blobs if old else {}
    for sha256, number in sorted(new.targets.items(), key=lambda item: item[1]):
        if sha256 not in have:
            size = new.sizes[number]
            for at in range(0, size, PART_BYTES):
                yield number, at, min(PART_BYTES, size - at)


def make_manifest(new: bytes, old: bytes) -> Made:
    """The new manifest as one member: a patch of the old one, where there is one and that is smaller."""
    if old and len(old) + 2 * len(new) <= MEMBER_LIMIT_BYTES:
        payload = hdiffpatch.diff(old, new, "none", validate=False)
        if len(payload) < len(new) and hdiffpatch.apply(old, payload) == new:
            kind, bases = MemberKind.HDIFFPATCH, (Base(0, 0, len(old)),)
            return Made(Member(0, 0, len(new), kind, len(payload), bases), payload)
    return Made(Member(0, 0, len(new), MemberKind.PLAIN, len(new)), new)


class Maker:
    """Makes the members of one pair of releases. Without an old one every member is plain."""

    def __init__(self, new: Contents, old: Contents | None) -> None:
        self._new, self._old = new, old
        self._similar = Fingerprints(old) if old else None
        self._named = _by_name(old) if old else {}

    def make(self, target: int, at: int, size_bytes: int) -> Made:
        content = self._new.target_bytes(target, at, size_bytes)
        best = Made(Member(target, at, size_bytes, MemberKind.PLAIN, size_bytes), content)
        weight = _weight(content)
        ways: tuple[tuple[tuple[Base, ...], Way], ...] = (
            (self._bases(target, content), _searched),
            (self._aligned(target, at, size_bytes), subtracted),
        )
        for bases, way in ways:
            if self._old is None or not bases:
                continue
            before = b"".join(self._old.base_bytes(base.file, base.at, base.size_bytes) for base in bases)
            payload = way(before, content)
            weighs = _weight(payload)
            if weighs < weight and hdiffpatch.apply(before, payload) == content:
                weight = weighs
                best = Made(Member(target, at, size_bytes, MemberKind.HDIFFPATCH, len(payload), bases), payload)
        return best

    def _aligned(self, target: int, at: int, size_bytes: int) -> tuple[Base, ...]:
        """The bytes at the same place of the file before, where that is large and has kept its size."""
        name, size = self._new.name(target), self._new.sizes[target]
        named = self._named.get(plain_name(name)) if name else None
        if self._old is None or named is None or size <= SMALL_BYTES or self._old.files[named][1] != size:
            return ()
        return (Base(named, at, size_bytes),)

    def _bases(self, target: int, content: bytes) -> tuple[Base, ...]:
        if self._old is None or self._similar is None:
            return ()
        named = self._named.get(plain_name(self._new.name(target))) if self._new.name(target) else None
        if named is not None and self._old.files[named][1] <= SMALL_BYTES:
            return (Base(named, 0, self._old.files[named][1]),)
        limit = min(BASES_BYTES, max(4 * len(content), 4 * SMALL_BYTES))
        stretches = self._similar.stretches(content, limit)
        if named is not None and not stretches:
            stretches = [Stretch(named, 0, min(limit, self._old.files[named][1]))]
        return tuple(Base(s.file, s.at, s.size_bytes) for s in stretches)


def _searched(before: bytes, content: bytes) -> bytes:
    return hdiffpatch.diff(before, content, "none", validate=False)


def plain_name(path: str) -> str:
    """The path without what tells versions apart: `libx-1a2b3c4d.so.1.23.1` and `libx-99887766.so.1.24` are one."""
    return NUMBERS.sub("0", path)


def _by_name(old: Contents) -> dict[str, int]:
    """Names without versions → number; the first of several, files without bytes left out."""
    found: dict[str, int] = {}
    for number, (path, size) in enumerate(old.files):
        if size:
            found.setdefault(plain_name(path), number)
    return found


def _weight(raw: bytes) -> int:
    """About what it adds to a pack; the fast level ranks like the slow one."""
    return len(zlib.compress(raw, 1))
