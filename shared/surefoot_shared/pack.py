"""A pack: one blob that turns a release which a device holds, or nothing, into another release, or a part of it.

Promises: what a pack's index says is within bounds, so that whoever follows it needs no more memory than
`MEMBER_LIMIT_BYTES` and writes nowhere else; anything else raises Invalid. Refuses to prove anything: a pack is
unsigned, and only the signed hash of what comes out counts. Pure; bytes in, frozen values out.

Decoded, a pack is `MAGIC`, the length of its index (4 bytes, big-endian), the index as JSON, and the payloads of its
members one after the other. It travels compressed as a whole, as many small changes look alike.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.release import SHA256

MAGIC = b"SFP1"
HEAD_BYTES = len(MAGIC) + 4
PACK_LIMIT_BYTES = 64 * 1024 * 1024
"""Of a pack as it travels: what a device must have room for beside its slots."""
INDEX_LIMIT_BYTES = 1024 * 1024
"""The agent itself parses it: JSON takes up to 25 times its size in memory."""
MEMBERS_LIMIT = 20_000
MEMBER_LIMIT_BYTES = 40 * 1024 * 1024
"""Bases, payload and result of one member: what its patch needs in memory. With 26 MiB for the process that patches, 16
for the dictionary and 42 for the agent it is within the 128 MiB of a device."""
RESULT_LIMIT_BYTES = 16 * 1024 * 1024
DICTIONARY_BYTES = 16 * 1024 * 1024
"""Farthest look back of the compression (dictionary of xz, window of zstd): the memory of decoding."""
DECODER_LIMIT_BYTES = DICTIONARY_BYTES + 1024 * 1024
WHOLE = ""
"""In the place of the digest that a pack starts from, where it starts from nothing."""
ZSTD_SUFFIX = ".zst"
"""A blob's name with this behind it is the name of the same blob as a zstd frame."""


class Encoding(str, Enum):
    """How a pack travels. Python's own library reads xz; zstd is faster and needs a binding."""

    XZ = "xz"
    ZSTD = "zstd"
    IDENTITY = "identity"


class MemberKind(str, Enum):
    PLAIN = "plain"
    HDIFFPATCH = "hdiffpatch"


@dataclass(frozen=True, slots=True)
class Base:
    """Bytes that the device has: of the file with that number in the manifest it holds; of an image's slot: file 0."""

    file: int
    at: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Member:
    """How to make `size_bytes` bytes of a target, from `at` on.

    `target` is the number of a file in the new manifest (the first of those with its sha256), or of a chunk of the new
    image, whose blob is meant. A patch is applied to its bases, one after the other in one piece.
    """

    target: int
    at: int
    size_bytes: int
    kind: MemberKind
    payload_bytes: int
    bases: tuple[Base, ...] = ()

    def __post_init__(self) -> None:
        numbers = (self.target, self.at, self.payload_bytes, *(n for b in self.bases for n in (b.file, b.at)))
        if min(numbers) < 0 or self.at >= wire.INT_LIMIT or any(b.size_bytes < 1 for b in self.bases):
            raise ValueError("a number of a member is out of range")
        if not 0 < self.size_bytes <= RESULT_LIMIT_BYTES:
            raise ValueError("a member makes nothing, or too much")
        if self.kind is MemberKind.PLAIN and (self.bases or self.payload_bytes != self.size_bytes):
            raise ValueError("a plain member is its own bytes")
        if self.memory_bytes > MEMBER_LIMIT_BYTES:
            raise ValueError(f"a member needs more than {MEMBER_LIMIT_BYTES} bytes of memory")

    @property
    def memory_bytes(self) -> int:
        return self.size_bytes + self.payload_bytes + sum(base.size_bytes for base in self.bases)


@dataclass(frozen=True, slots=True)
class PackIndex:
    """What a pack holds. Members of one target follow one another, and join without gaps across the packs of a pair."""

    from_digest: str
    to_digest: str
    members: tuple[Member, ...]

    def __post_init__(self) -> None:
        if self.from_digest != WHOLE and not SHA256.fullmatch(self.from_digest):
            raise ValueError("from is no digest")
        if not SHA256.fullmatch(self.to_digest) or not 0 < len(self.members) <= MEMBERS_LIMIT:
            raise ValueError("to is no digest, or there are no members, or too many")
        if self.from_digest == WHOLE and any(member.bases for member in self.members):
            raise ValueError("a pack that starts from nothing has members with bases")
        if any(_out_of_order(a, b) for a, b in zip(self.members, self.members[1:], strict=False)):
            raise ValueError("members are out of order, or lie over one another")

    @property
    def payload_bytes(self) -> int:
        return sum(member.payload_bytes for member in self.members)


def index_bytes(index: PackIndex) -> bytes:
    """The beginning of a decoded pack: magic, length and index."""
    said = {"v": 1, "from": index.from_digest, "to": index.to_digest, "members": list(map(_listed, index.members))}
    raw = _compact(said)
    if len(raw) > INDEX_LIMIT_BYTES:
        raise ValueError("the index of a pack is too long")
    return MAGIC + struct.pack(">I", len(raw)) + raw


def indexed_bytes(member: Member) -> int:
    """What a member takes in an index."""
    return len(_compact(_listed(member))) + 1


def index_length(head: bytes) -> int:
    """Return how long the index is, from the first HEAD_BYTES of a decoded pack. Raises Invalid."""
    if len(head) != HEAD_BYTES or not head.startswith(MAGIC):
        raise _malformed("it does not begin like one")
    length: int = struct.unpack(">I", head[len(MAGIC) :])[0]
    if not 0 < length <= INDEX_LIMIT_BYTES:
        raise _malformed(f"its index has {length} bytes")
    return length


def parse_index(raw: bytes) -> PackIndex:
    """Parse the index without its head. Raises Invalid."""
    said = wire.parse(raw, INDEX_LIMIT_BYTES)
    if said.get("v") != 1:
        raise _malformed(f"its version is {str(said.get('v'))[:40]}")
    listed = said.get("members")
    if not isinstance(listed, list) or len(listed) > MEMBERS_LIMIT:
        raise _malformed("it does not list its members")
    try:
        return PackIndex(_text(said.get("from")), _text(said.get("to")), tuple(map(_member, listed)))
    except ValueError as error:
        raise _malformed(str(error)) from error


def bitmap(numbers: Iterable[int], count: int) -> str:
    """Numbers below `count` as a bitmap in base64; number 0 is the highest bit of the first byte."""
    bits = bytearray(-(-count // 8))
    for number in numbers:
        bits[number >> 3] |= 0x80 >> (number & 7)
    return base64.b64encode(bits).decode()


def parse_bitmap(text: str, count: int) -> tuple[int, ...]:
    """The numbers of a bitmap, in order. Raises Invalid where it is not one of `count` bits."""
    try:
        bits = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("malformed", "The bitmap is no base64.") from error
    if len(bits) != -(-count // 8):
        raise Invalid("malformed", f"The bitmap has {len(bits)} bytes where {count} chunks are asked about.")
    return tuple(number for number in range(count) if bits[number >> 3] & (0x80 >> (number & 7)))


def _out_of_order(before: Member, after: Member) -> bool:
    if before.target == after.target:
        return after.at != before.at + before.size_bytes
    return after.target < before.target


def _listed(member: Member) -> list[object]:
    bases = [[base.file, base.at, base.size_bytes] for base in member.bases]
    return [member.target, member.at, member.size_bytes, member.kind.value, member.payload_bytes, bases]


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _member(value: wire.Json) -> Member:
    if not isinstance(value, list) or len(value) != 6 or not isinstance(value[5], list):
        raise ValueError("a member is no list of six")
    target, at, size, kind, payload, bases = value
    return Member(
        _number(target),
        _number(at),
        _number(size),
        MemberKind(_text(kind)),
        _number(payload),
        tuple(Base(*map(_number, _three(base))) for base in bases),  # type: ignore[union-attr]  # a list, see above
    )


def _three(value: wire.Json) -> Sequence[wire.Json]:
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError("a base is no list of three")
    return value


def _number(value: wire.Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("a number of a member is none")
    return value


def _text(value: wire.Json) -> str:
    if not isinstance(value, str):
        raise ValueError("a word of the index is no text")
    return value


def _malformed(why: str) -> Invalid:
    return Invalid("malformed", f"The pack is malformed: {why}.")
