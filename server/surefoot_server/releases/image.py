"""Read a file as the image of a release: hash every block, and copy what is not zeros into chunks, each a blob.

Deterministic: the same bytes give the same index and the same blobs everywhere, whether or not the file has holes. A
chunk that an older image holds at any place is the same blob, so publishing uploads only the chunks that changed.
Refuses what is no regular file, what is empty, what does not end with a sector, and what changes while it is read.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from surefoot_server.releases.tree import Progress
from surefoot_shared.errors import Invalid
from surefoot_shared.image import IMAGE_LIMIT_BYTES, NO_BLOB, SECTOR_BYTES, Image, block_digest, joined, zeros

BLOCK_BYTES = 64 * 1024
"""What is verified and reused on its own. Smaller ones find more that stayed the same and cost a longer index."""
CHUNK_BYTES = 4 * 1024 * 1024
"""What one request brings. 2 GiB are 512 requests; a tenth of a second each is lost on a bad line, not an hour."""
INDEX_BLOCKS = 1 << 17
"""The index of so many blocks has 6 MiB in the manifest; larger images get larger blocks."""


def read_image(file: Path, blobs: Path, progress: Progress) -> Image:
    """Return the index of the image in `file` and put its chunks into `blobs`. Raises Invalid."""
    _checked_size(file, file.stat())  # before it is opened: a pipe would wait for its writer
    with file.open("rb", buffering=0) as source:
        before = os.fstat(source.fileno())
        size = _checked_size(file, before)
        block_bytes = _block_bytes(size)
        blocks: list[bytes] = []
        chunks: list[bytes] = []
        for begin in range(0, size, CHUNK_BYTES):
            content = _exactly(file, source.fileno(), begin, min(CHUNK_BYTES, size - begin))
            parts = [content[at : at + block_bytes] for at in range(0, len(content), block_bytes)]
            blocks += map(block_digest, parts)
            chunks.append(_store(blobs, [part for part in parts if part != zeros(len(part))]))
            progress(begin + len(content), size)
        after = os.fstat(source.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise _refused(file, "changed while it was read")
    return Image(size, block_bytes, CHUNK_BYTES // block_bytes, joined(blocks), joined(chunks))


def _checked_size(file: Path, status: os.stat_result) -> int:
    if not stat.S_ISREG(status.st_mode):
        raise _refused(file, "is no regular file; copy the device into one")
    if not status.st_size:
        raise _refused(file, "is empty")
    if status.st_size % SECTOR_BYTES:
        raise _refused(file, f"does not end with a whole sector of {SECTOR_BYTES} bytes, so it is no image of a disk")
    if status.st_size > IMAGE_LIMIT_BYTES:
        raise _refused(file, f"has more than the {IMAGE_LIMIT_BYTES} bytes that an image may have")
    return status.st_size


def _block_bytes(size: int) -> int:
    block_bytes = BLOCK_BYTES
    while size > block_bytes * INDEX_BLOCKS:
        block_bytes *= 2
    return block_bytes


def _exactly(file: Path, handle: int, begin: int, size: int) -> bytes:
    found = bytearray()
    while len(found) < size and (part := os.pread(handle, size - len(found), begin + len(found))):
        found += part
    if len(found) < size:
        raise _refused(file, "became shorter while it was read")
    return bytes(found)


def _store(blobs: Path, parts: list[bytes]) -> bytes:
    if not parts:
        return NO_BLOB
    content = b"".join(parts)
    digest = hashlib.sha256(content)
    target = blobs / digest.hexdigest()
    if not target.exists():
        target.write_bytes(content)
    return digest.digest()


def _refused(file: Path, why: str) -> Invalid:
    return Invalid("malformed", f"{file} {why}.", "Mend the image, then build the release again.")
