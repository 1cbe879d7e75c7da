"""Packs and frames made by hand, hostile ones too, and nameless files to have them unpacked from."""

from __future__ import annotations

import lzma
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import hdiffpatch
from backports import zstd

from surefoot_agent.download.unpack import Unpacker
from surefoot_shared.messages import Pack
from surefoot_shared.pack import WHOLE, Base, Encoding, Member, MemberKind, PackIndex, index_bytes
from surefoot_shared.release import digest_of

ENCODE: dict[Encoding, Callable[[bytes], bytes]] = {
    Encoding.XZ: lambda raw: lzma.compress(raw, preset=1),
    Encoding.ZSTD: lambda raw: zstd.compress(raw),
    Encoding.IDENTITY: bytes,
}
FROM, TO = "a" * 64, "b" * 64


@contextmanager
def nameless(content: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("test")
    try:
        os.write(descriptor, content)
        yield descriptor
    finally:
        os.close(descriptor)


def plain(target: int, content: bytes, at: int = 0) -> tuple[Member, bytes]:
    return Member(target, at, len(content), MemberKind.PLAIN, len(content)), content


def patched(
    target: int, old: bytes, new: bytes, file: int = 0, base_at: int = 0, at: int = 0, patch: bytes | None = None
) -> tuple[Member, bytes]:
    """A member that is a patch of one base; `patch` takes the place of the right one."""
    payload = hdiffpatch.diff(old, new, compression="none") if patch is None else patch
    bases = (Base(file, base_at, len(old)),) if old else ()
    return Member(target, at, len(new), MemberKind.HDIFFPATCH, len(payload), bases), payload


@dataclass(frozen=True)
class MadePack:
    raw: bytes
    offer: Pack


def packed(
    members: Sequence[tuple[Member, bytes]],
    to: str = TO,
    start: str | None = None,
    encoding: Encoding = Encoding.XZ,
    encode: Callable[[bytes], bytes] | None = None,
) -> MadePack:
    if start is None:
        start = FROM if any(member.bases for member, _ in members) else WHOLE
    decoded = index_bytes(PackIndex(start, to, tuple(m for m, _ in members))) + b"".join(p for _, p in members)
    raw = (encode or ENCODE[encoding])(decoded)
    return MadePack(raw, Pack(start, to, digest_of(raw), len(raw), encoding, len(decoded)))


def unpacked(unpacker: Unpacker, made: MadePack, bases: Sequence[bytes] = ()) -> list[bytes]:
    """What every member of the pack makes."""

    def feed(member: Member) -> Iterator[bytes]:
        return (bases[base.file][base.at : base.at + base.size_bytes] for base in member.bases)

    encoding = Encoding(made.offer.encoding)
    with nameless(made.raw) as data:
        index = unpacker.index(data, encoding, lambda: False)
        with unpacker.members(data, encoding, index, range(len(index.members)), feed, lambda: False) as job:
            return [b"".join(job.part(member.size_bytes)) for member in index.members]
