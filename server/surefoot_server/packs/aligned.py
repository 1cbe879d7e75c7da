"""Patch what kept its shape: say of each byte how much it differs from the one at the same place before.

That is what weights of a network look like that were trained further: no stretch of them is the same any more, but each
is near to what it was, so that the differences compress where the bytes do not (8 MB of floats: 5.7 MB, by any search
for equal stretches 7.4). Promises: a patch in HDiffPatch's own format, so that a device needs nothing new. Pure.
Source: HDiffPatch, `patch.cpp`, format HDIFF13: one cover of everything, one run of the differences as they are.
"""

from __future__ import annotations

import numpy as np

HEAD = b"HDIFF13&\0"
"""With no compression: a pack is compressed as a whole."""
AS_THEY_ARE, RUN_TAG_BITS = 3, 2
"""The kind of a run of differences that do not repeat themselves, in the two highest bits of its length."""


def subtracted(before: bytes, content: bytes) -> bytes:
    """The patch that makes `content` of `before`; both of one size, which is not 0."""
    size = len(content)
    if len(before) != size or not size:
        raise ValueError("what kept its shape has the size that it had, and is not empty")
    cover = _number(0) + _number(0) + _number(size)  # from the beginning of both, to the end
    run = _number(size - 1, AS_THEY_ARE, RUN_TAG_BITS)
    differences = (np.frombuffer(content, np.uint8) - np.frombuffer(before, np.uint8)).tobytes()
    parts = (len(cover), 0, len(run), 0, size, 0, 0, 0)  # covers, runs, differences, new bytes; each not compressed
    return b"".join([HEAD, *map(_number, (size, size, 1, *parts)), cover, run, differences])


def _number(value: int, tag: int = 0, tag_bits: int = 0) -> bytes:
    """Groups of seven bits, the highest first, each but the last with its highest bit set; a tag lies before them."""
    first_bits = 7 - tag_bits
    rest: list[int] = []
    while value >> first_bits:
        rest.insert(0, value & 0x7F | (0x80 if rest else 0))
        value >>= 7
    return bytes([tag << (8 - tag_bits) | (0x80 >> tag_bits if rest else 0) | value, *rest])
