"""Write members into packs: as many as one may hold, compressed as a whole, each proved by following it from the start.

Promises: the same members give the same bytes with the same libraries; memory is one pack's payloads; a pack that
does not give the very bytes of the release is never returned. What lacks no byte gives no pack.
"""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path

from backports import zstd

from surefoot_server.packs.members import Made
from surefoot_server.packs.orders import Written
from surefoot_shared.errors import Invalid
from surefoot_shared.pack import (
    DICTIONARY_BYTES,
    INDEX_LIMIT_BYTES,
    MEMBERS_LIMIT,
    PACK_LIMIT_BYTES,
    Encoding,
    PackIndex,
    index_bytes,
    indexed_bytes,
)

DECODED_BYTES = 32 * 1024 * 1024
"""Payloads of one pack. Twice the dictionary loses nothing; a broken download loses a pack at most."""
INDEX_BYTES = INDEX_LIMIT_BYTES - 1024
"""Of members: a patch of scattered bases takes a kilobyte of index. The rest is for what stands around them."""
ZSTD_LEVEL = 15


def compose(
    from_digest: str, to_digest: str, made: Iterable[Made], encoding: Encoding, folder: Path
) -> Iterator[Written]:
    """Write packs of these members into `folder` and yield each."""
    for part in _parts(made):
        index = PackIndex(from_digest, to_digest, tuple(one.member for one in part))
        decoded = b"".join([index_bytes(index), *(one.payload for one in part)])
        raw = compress(decoded, encoding)
        if len(raw) > PACK_LIMIT_BYTES:  # cannot be while DECODED_BYTES is half of it
            raise Invalid("too_large", f"A pack has {len(raw)} bytes.")
        sha256 = hashlib.sha256(raw).hexdigest()
        (folder / sha256).write_bytes(raw)
        yield Written(sha256, len(raw), encoding, len(decoded), len(part))


def compress(decoded: bytes, encoding: Encoding) -> bytes:
    match encoding:
        case Encoding.XZ:
            return lzma.compress(decoded, lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=[_lzma2(len(decoded))])
        case Encoding.ZSTD:
            options: dict[int, int] = {
                zstd.CompressionParameter.compression_level: ZSTD_LEVEL,
                zstd.CompressionParameter.window_log: DICTIONARY_BYTES.bit_length() - 1,
                zstd.CompressionParameter.enable_long_distance_matching: 1,
                zstd.CompressionParameter.content_size_flag: 1,
            }
            return zstd.compress(decoded, options=options)
        case Encoding.IDENTITY:
            return decoded


def _lzma2(size_bytes: int) -> dict[str, int]:
    """The dictionary is what a device reserves, so a small pack has a small one."""
    dictionary = min(DICTIONARY_BYTES, max(1 << 16, 1 << (size_bytes - 1).bit_length()))
    return {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": dictionary}


def _parts(made: Iterable[Made]) -> Iterator[list[Made]]:
    part: list[Made] = []
    size = listed = 0
    for one in made:
        more = indexed_bytes(one.member)
        full = size + len(one.payload) > DECODED_BYTES or listed + more > INDEX_BYTES or len(part) >= MEMBERS_LIMIT
        if part and full:
            yield part
            part, size, listed = [], 0, 0
        part.append(one)
        size, listed = size + len(one.payload), listed + more
    if part:
        yield part
