"""The block index of an image: the sha256 of every block, and how the blocks travel in chunks.

Promises: every block of an image can be judged on its own, in any order, from any source, before it is written. A block
of zeros travels in no chunk and costs nothing. What a chunk holds, and where, follows from the index alone: the blocks
of `chunk_blocks` in a row that are not all zeros, one after the other. Pure; the disk is somebody else's.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

DIGEST_BYTES = 32
SECTOR_BYTES = 512
"""No medium is written in smaller parts, so no image has any."""
BLOCK_LIMIT_BYTES = 1024 * 1024
CHUNK_LIMIT_BYTES = 64 * 1024 * 1024
IMAGE_LIMIT_BYTES = 1 << 44
NO_BLOB = hashlib.sha256(b"").digest()
"""In the place of a chunk's blob where all its blocks are zeros."""


@dataclass(frozen=True)
class Image:
    """What the manifest says of an image. `blocks` and `chunks` are sha256 digests in a row, in base64.

    `block_bytes` is a power of two, the last block may be shorter. A digest in `blocks` is of one block; one in
    `chunks` is of the blob that carries `chunk_blocks` of them.
    """

    size_bytes: int
    block_bytes: int
    chunk_blocks: int
    blocks: str
    chunks: str

    def __post_init__(self) -> None:
        if not 0 < self.size_bytes <= IMAGE_LIMIT_BYTES or self.size_bytes % SECTOR_BYTES:
            raise ValueError("image: size_bytes is no whole number of sectors")
        if not 4096 <= self.block_bytes <= BLOCK_LIMIT_BYTES or self.block_bytes & (self.block_bytes - 1):
            raise ValueError("image: block_bytes is no power of two from 4096 to 1 MiB")
        if not 1 <= self.chunk_blocks <= CHUNK_LIMIT_BYTES // self.block_bytes:
            raise ValueError("image: chunk_blocks is out of range")
        count = -(-self.size_bytes // self.block_bytes)
        _digests(self.blocks, "blocks", count)
        _digests(self.chunks, "chunks", -(-count // self.chunk_blocks))

    def index(self) -> Index:
        """Decode the digests; kept only by whoever works with them, as a large image has a megabyte."""
        return Index(
            self.size_bytes,
            self.block_bytes,
            self.chunk_blocks,
            base64.b64decode(self.blocks),
            base64.b64decode(self.chunks),
        )


@dataclass(frozen=True)
class Blob:
    """What one chunk travels as: the blocks in it, in this order; `sha256` is its name."""

    sha256: str
    size_bytes: int
    blocks: tuple[int, ...]


@dataclass(frozen=True)
class Index:
    """The decoded index; blocks and chunks are counted from 0."""

    size_bytes: int
    block_bytes: int
    chunk_blocks: int
    digests: bytes
    chunk_digests: bytes

    @functools.cached_property
    def count(self) -> int:
        return -(-self.size_bytes // self.block_bytes)

    @property
    def chunks(self) -> int:
        return -(-self.count // self.chunk_blocks)

    def length(self, block: int) -> int:
        return self.block_bytes if block < self.count - 1 else self.size_bytes - block * self.block_bytes

    def digest(self, block: int) -> bytes:
        return self.digests[block * DIGEST_BYTES : (block + 1) * DIGEST_BYTES]

    @functools.cached_property
    def zero_blocks(self) -> bytes:
        """A byte for each block, 1 where it is all zeros."""
        whole, last = zero_digest(self.block_bytes), zero_digest(self.length(self.count - 1))
        found = bytearray(self.digest(block) == whole for block in range(self.count - 1))
        return bytes(found) + bytes([self.digest(self.count - 1) == last])

    def is_zero(self, block: int) -> bool:
        return self.zero_blocks[block] == 1

    def matches(self, block: int, content: bytes | memoryview) -> bool:
        """Whether these are the very bytes of the block; zeros are compared, which is faster than hashing them."""
        if self.is_zero(block):
            return bytes(content) == zeros(self.length(block))
        return len(content) == self.length(block) and hashlib.sha256(content).digest() == self.digest(block)

    def chunk(self, chunk: int) -> range:
        """The blocks of a chunk, zeros and all."""
        return range(chunk * self.chunk_blocks, min((chunk + 1) * self.chunk_blocks, self.count))

    def blob(self, chunk: int) -> Blob:
        """What the chunk travels as; a chunk of zeros has a blob of no bytes, which is never fetched."""
        carried = tuple(block for block in self.chunk(chunk) if not self.is_zero(block))
        digest = self.chunk_digests[chunk * DIGEST_BYTES : (chunk + 1) * DIGEST_BYTES]
        return Blob(digest.hex(), sum(map(self.length, carried)), carried)

    def blobs(self) -> Iterator[Blob]:
        """Every blob that has bytes."""
        return (blob for blob in map(self.blob, range(self.chunks)) if blob.size_bytes)


@functools.lru_cache(maxsize=4)
def zeros(size_bytes: int) -> bytes:
    """A device meets two sizes of block: the whole one and the last."""
    return bytes(size_bytes)


@functools.lru_cache(maxsize=4)
def zero_digest(size_bytes: int) -> bytes:
    return hashlib.sha256(zeros(size_bytes)).digest()


def block_digest(content: bytes) -> bytes:
    return zero_digest(len(content)) if content == zeros(len(content)) else hashlib.sha256(content).digest()


def joined(digests: Iterable[bytes]) -> str:
    """The form in which digests stand in `Image`."""
    return base64.b64encode(b"".join(digests)).decode()


def _digests(text: str, name: str, count: int) -> None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"image: {name} is no base64") from error
    if len(raw) != count * DIGEST_BYTES:
        raise ValueError(f"image: {name} does not hold {count} digests")
