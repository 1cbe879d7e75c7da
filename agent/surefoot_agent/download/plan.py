"""Which way each piece of a release comes to this device, cheapest first. Pure: values in, steps with bytes out.

Promises: packs are taken only where this device can read them, has what they start from, and has room; and only where
they cost fewer bytes than fetching what is missing. Whatever a way does not bring, the next one does: the last is
always the signed bytes themselves. The bytes of a plan are an estimate before, and a limit after it was carried out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from surefoot_agent.ports import Piece
from surefoot_shared.messages import Pack
from surefoot_shared.pack import PACK_LIMIT_BYTES, WHOLE, Encoding

COMPRESSED_RATIO = 0.45
"""Of what releases hold, zstd leaves about this much: measured on a vision stack, 364 MB became 127 MB, models less.
Packs that compress worse say of their release that it does: what is compressed already stays as large as it is."""
ZSTD_FROM_BYTES = 4096
"""Below this a frame saves less than one more question costs."""


class Way(str, Enum):
    """Where the bytes come from, in the words of `surefoot device show`."""

    HELD = "held"
    """This device has them in one of its slots."""
    PATCHED = "patched"
    """A pack makes them from what this device holds."""
    PACKED = "packed"
    """A pack holds them."""
    COMPRESSED = "compressed"
    """Each by itself, as a frame of zstd."""
    PLAIN = "plain"
    """Each by itself, as it was signed."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something to be fetched: `name` is the object's, `size_bytes` what it costs, `pieces` how many it fills."""

    way: Way
    name: str
    size_bytes: int
    pieces: int


@dataclass(frozen=True, slots=True)
class Able:
    """What this device can do with what is offered."""

    encodings: Collection[Encoding] = ()
    patches: bool = False
    holds: str = ""
    """The digest of the release in the other slot."""
    room_bytes: int = 0
    """For packs, beside the slots."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in their order, and in one sentence each why a way was not taken."""

    steps: tuple[Step, ...]
    held_bytes: int = 0
    notes: tuple[str, ...] = ()
    packs: tuple[Pack, ...] = ()

    @property
    def size_bytes(self) -> int:
        return sum(step.size_bytes for step in self.steps)

    def sentence(self) -> str:
        """The plan for people: what comes which way, and how much of it."""
        by_way = [(way, [step for step in self.steps if step.way is way]) for way in Way]
        parts = [f"{_size(sum(s.size_bytes for s in steps))} {way.value}" for way, steps in by_way if steps]
        held = [f"{_size(self.held_bytes)} {Way.HELD.value}"] if self.held_bytes else []
        said = f"It fetches about {_size(self.size_bytes)}" if self.steps else "It fetches nothing"
        return f"{said}: {', '.join(parts + held)}." if parts + held else f"{said}."


def plan(
    missing: Sequence[Piece],
    held_bytes: int,
    offered: Sequence[Pack],
    zstd: bool,
    able: Able,
    here: Mapping[str, int] = MappingProxyType({}),
) -> Plan:
    """`missing` are the pieces that no slot holds; `zstd` says whether the sources have frames of single blobs.

    `here` says of packs how many of their bytes an earlier try left.
    """
    if not missing:
        return Plan((), held_bytes)
    framed = zstd and Encoding.ZSTD in able.encodings
    ratio = _ratio([pack for pack in offered if pack.from_digest == WHOLE])
    notes: list[str] = []
    for start in dict.fromkeys(pack.from_digest for pack in offered):
        packs = tuple(pack for pack in offered if pack.from_digest == start)
        alike = max(ratio, _ratio(packs))
        cost = sum(_single(piece, framed, alike).size_bytes for piece in missing)
        why = _why_not(packs, cost, able, here)
        if why is None:
            way = Way.PACKED if start == WHOLE else Way.PATCHED
            steps = tuple(Step(way, pack.sha256, _left(pack, here), len(missing)) for pack in packs)
            return Plan(steps, held_bytes, tuple(notes), packs)
        notes.append(why)
    return Plan(tuple(_single(piece, framed, ratio) for piece in missing), held_bytes, tuple(notes))


def _ratio(packs: Sequence[Pack]) -> float:
    """How much of what these packs hold is left of it once it is compressed."""
    decoded = sum(pack.decoded_bytes for pack in packs)
    return (
        min(1.0, max(COMPRESSED_RATIO, sum(pack.size_bytes for pack in packs) / decoded))
        if decoded > 0
        else COMPRESSED_RATIO
    )


def _left(pack: Pack, here: Mapping[str, int]) -> int:
    return max(0, pack.size_bytes - here.get(pack.sha256, 0))


def _why_not(packs: Sequence[Pack], cost: int, able: Able, here: Mapping[str, int]) -> str | None:
    first, size = packs[0], sum(_left(pack, here) for pack in packs)
    if first.from_digest not in (WHOLE, able.holds):
        return "A pack starts from a release that the other slot does not hold."
    unread = {str(getattr(pack.encoding, "value", pack.encoding)) for pack in packs} - {e.value for e in able.encodings}
    if unread:
        return f"A pack is encoded as {min(unread)}, which this device cannot read."
    if first.from_digest != WHOLE and not able.patches:
        return "A pack may hold patches, and no library that patches is installed."
    largest = max(packs, key=lambda pack: _left(pack, here))
    if _left(largest, here) > able.room_bytes or max(pack.size_bytes for pack in packs) > PACK_LIMIT_BYTES:
        return f"A pack has {_size(largest.size_bytes)}; there is no room for it."
    if size >= cost:
        return f"Packs of {_size(size)} cost more than what is missing, about {_size(cost)}."
    return None


def _single(piece: Piece, zstd: bool, ratio: float) -> Step:
    """One piece by itself; a frame is of the whole blob, so a small part of one comes as it is."""
    worth = piece.blob_bytes * COMPRESSED_RATIO < piece.size_bytes
    if zstd and ZSTD_FROM_BYTES <= piece.blob_bytes <= PACK_LIMIT_BYTES and worth:
        return Step(Way.COMPRESSED, piece.sha256, int(piece.blob_bytes * ratio), 1)
    return Step(Way.PLAIN, piece.sha256, piece.size_bytes, 1)


def _size(size_bytes: int) -> str:
    """As people say it: 812 B, 3.4 kB, 27.0 MB."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} B"
