"""The compressed form of a release's blobs, made where the release is built: `zst/<sha256>.zst` beside `blobs/`.

Promises: a form is there only where it saves at least a twentieth; it says its content's size; memory is one chunk for
each of a few threads. Which forms there are is no part of the release: its digest is that of the bytes alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from backports import zstd

from surefoot_shared.pack import ZSTD_SUFFIX

FORMS = "zst"
LEVEL = 12
"""Within 3 % of level 19 on a vision stack, in a tenth of the time."""
LEAST_BYTES = 1024
"""Smaller blobs cost a request, not bytes."""
CHUNK_BYTES = 1024 * 1024
WORTH = 0.95


def make_forms(folder: Path, names: Collection[str], progress: Callable[[int, int], None]) -> None:
    """Compress each of these blobs of a release folder into its form; `progress` gets bytes done and in all."""
    (folder / FORMS).mkdir()
    sizes = {name: (folder / "blobs" / name).stat().st_size for name in names}
    done, total = 0, sum(sizes.values())
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for size in pool.map(lambda name: _make(folder, name, sizes[name]), sorted(sizes)):
            done += size
            progress(done, total)


def _make(folder: Path, name: str, size_bytes: int) -> int:
    if size_bytes < LEAST_BYTES:
        return size_bytes
    form = folder / FORMS / f"{name}{ZSTD_SUFFIX}"
    options = {
        int(zstd.CompressionParameter.compression_level): LEVEL,
        int(zstd.CompressionParameter.content_size_flag): 1,
    }
    compressor = zstd.ZstdCompressor(options=options)
    compressor.set_pledged_input_size(size_bytes)
    with (folder / "blobs" / name).open("rb") as source, form.open("wb") as target:
        while chunk := source.read(CHUNK_BYTES):
            target.write(compressor.compress(chunk))
        target.write(compressor.flush())
    if form.stat().st_size > size_bytes * WORTH:
        form.unlink()
    return size_bytes
