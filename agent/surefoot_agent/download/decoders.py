"""How packs and blobs travel, undone step by step: never more than a window and a few hundred kB in memory.

Promises: a window larger than packs may have is refused before it is allocated. Raises whatever the codec raises, and
ValueError where bytes are missing. For the unpacking child alone: nothing of this runs in the agent.
"""

from __future__ import annotations

import importlib
import io
import lzma
import os
from collections.abc import Callable, Iterator
from types import ModuleType

from surefoot_shared.pack import DECODER_LIMIT_BYTES, DICTIONARY_BYTES, Encoding

READ_BYTES = 128 * 1024
Decode = Callable[[int], Iterator[bytes]]
"""The decoded chunks of what a descriptor holds, from its beginning."""


class Stream:
    """A decoded stream, read in pieces of any size."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left = chunks, memoryview(b"")

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes."""
        while size:
            if not self._left:
                self._left = memoryview(self._next())
            part, self._left = self._left[:size], self._left[size:]
            size -= len(part)
            yield bytes(part)

    def exactly(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        return gathered(self.chunks(size))

    def skip(self, size: int) -> None:
        for _ in self.chunks(size):
            pass

    def end(self) -> None:
        """Raise ValueError where more follows."""
        if self._left or any(self._chunks):
            raise ValueError("more bytes than were signed")

    def _next(self) -> bytes:
        for chunk in self._chunks:
            if chunk:
                return chunk
        raise ValueError("fewer bytes than were signed")


def gathered(chunks: Iterator[bytes]) -> bytes:
    """Join chunks so that they are in memory once: BytesIO hands out the very buffer that it grew."""
    buffer = io.BytesIO()
    for chunk in chunks:
        buffer.write(chunk)
    return buffer.getvalue()


def known(module: Callable[[str], ModuleType | None]) -> dict[Encoding, Decode]:
    """Return what can be read here, given what loads a module if it is installed."""
    found: dict[Encoding, Decode] = {Encoding.IDENTITY: identity, Encoding.XZ: xz}
    zstd = module("compression.zstd") or module("backports.zstd")
    if zstd is not None:
        zstd.ZstdDecompressor().decompress(zstd.compress(b"tried"))
        found[Encoding.ZSTD] = zstd_of(zstd)
    return found


def load(name: str) -> ModuleType | None:
    """Import a library that a device may lack."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def identity(packed: int) -> Iterator[bytes]:
    at = 0
    while raw := os.pread(packed, READ_BYTES, at):
        at += len(raw)
        yield raw


def xz(packed: int) -> Iterator[bytes]:
    reader = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=DECODER_LIMIT_BYTES)
    raws = identity(packed)
    while not reader.eof:
        raw = next(raws, b"") if reader.needs_input else b""
        if reader.needs_input and not raw:
            raise ValueError("it ends too early")
        yield reader.decompress(raw, READ_BYTES)


def zstd_of(zstd: ModuleType) -> Decode:
    options = {zstd.DecompressionParameter.window_log_max: DICTIONARY_BYTES.bit_length() - 1}

    def decode(packed: int) -> Iterator[bytes]:
        reader, raws = zstd.ZstdDecompressor(options=options), identity(packed)
        while not reader.eof:
            raw = next(raws, b"") if reader.needs_input else b""
            if reader.needs_input and not raw:
                raise ValueError("it ends too early")
            yield reader.decompress(raw, READ_BYTES)

    return decode
