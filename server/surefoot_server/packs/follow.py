"""Follow a pack as a device does: decode it, apply its members, compare what comes out with the signed hashes.

Promises: `prove` returns only where every target that the packs of a pair touch comes out as the manifest signs it.
This is the server's proof before a pack is offered; a device has its own, in a child without rights.
"""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import hdiffpatch
from backports import zstd

from surefoot_server.packs.contents import Contents
from surefoot_shared.errors import Invalid
from surefoot_shared.pack import (
    DECODER_LIMIT_BYTES,
    HEAD_BYTES,
    Base,
    Encoding,
    Member,
    MemberKind,
    index_length,
    parse_index,
)
from surefoot_shared.release import digest_of


def decode(raw: bytes, encoding: Encoding) -> bytes:
    """Decompress a pack within the memory that a device has for it. Raises Invalid."""
    try:
        match encoding:
            case Encoding.XZ:
                return lzma.decompress(raw, lzma.FORMAT_XZ, memlimit=DECODER_LIMIT_BYTES)
            case Encoding.ZSTD:
                limit: dict[int, int] = {
                    zstd.DecompressionParameter.window_log_max: DECODER_LIMIT_BYTES.bit_length() - 1
                }
                return zstd.decompress(raw, options=limit)
            case Encoding.IDENTITY:
                return raw
    except (lzma.LZMAError, zstd.ZstdError) as error:
        raise Invalid("artifact_corrupt", f"The pack cannot be decoded: {error}.") from error


def members(decoded: bytes, before: Callable[[Base], bytes] | None) -> Iterator[tuple[Member, bytes]]:
    """Yield each member with the bytes that it makes; `before` reads bases. Raises Invalid."""
    begin = HEAD_BYTES + index_length(decoded[:HEAD_BYTES])
    index = parse_index(decoded[HEAD_BYTES:begin])
    if begin + index.payload_bytes != len(decoded):
        raise Invalid("artifact_corrupt", "The pack has other payloads than its index says.")
    for member in index.members:
        payload = decoded[begin : begin + member.payload_bytes]
        begin += member.payload_bytes
        yield member, _result(member, payload, before)


def prove(packs: Sequence[tuple[Path, Encoding]], new: Contents, old: Contents | None) -> int:
    """Raise Invalid unless the packs give every target of `new` that `old` lacks, bit by bit; return how many."""
    have = set(old.manifest.blobs) if old else set()
    left = {number: sha256 for sha256, number in new.targets.items() if sha256 not in have}
    hashes: dict[int, tuple[hashlib._Hash, int]] = {}
    for path, encoding in packs:
        for member, content in members(decode(path.read_bytes(), encoding), bases_of(old) if old else None):
            hasher, at = hashes.get(member.target, (hashlib.sha256(), 0))
            if member.at != at:
                raise Invalid("artifact_corrupt", f"A part of target {member.target} is missing.")
            hasher.update(content)
            hashes[member.target] = hasher, at + len(content)
    wrong = [
        number for number, sha256 in left.items() if number not in hashes or hashes[number][0].hexdigest() != sha256
    ]
    if wrong:
        raise Invalid("artifact_corrupt", f"{len(wrong)} targets do not come out as they are signed.")
    return len(left)


def prove_manifest(raw: bytes, encoding: Encoding, old: bytes, digest: str) -> None:
    """Raise Invalid unless the pack makes the manifest of that digest of the old one."""
    made = [content for _, content in members(decode(raw, encoding), lambda base: old[base.at :][: base.size_bytes])]
    if len(made) != 1 or digest_of(made[0]) != digest:
        raise Invalid("artifact_corrupt", "The manifest does not come out as it is signed.")


def bases_of(old: Contents) -> Callable[[Base], bytes]:
    return lambda base: old.base_bytes(base.file, base.at, base.size_bytes)


def _result(member: Member, payload: bytes, bases: Callable[[Base], bytes] | None) -> bytes:
    if member.kind is MemberKind.PLAIN:
        return payload
    if bases is None:
        raise Invalid("artifact_corrupt", "A patch has no release to start from.")
    before = b"".join(map(bases, member.bases))
    try:
        made = hdiffpatch.apply(before, payload)
    except hdiffpatch.HDiffPatchError as error:
        raise Invalid("artifact_corrupt", "A patch cannot be applied.") from error
    if len(made) != member.size_bytes:
        raise Invalid("artifact_corrupt", "A patch gives another size than the index says.")
    return bytes(made)
