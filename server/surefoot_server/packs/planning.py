"""Which packs are worth making next, and which are not worth keeping. Pure.

Promises: what most devices need comes first; a pair that failed is not tried again until it is forgotten; what nobody
can use any more goes before what is merely large. Refuses to wait for anything: a rollout never waits for a pack.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from surefoot_shared.pack import WHOLE


@dataclass(frozen=True, order=True, slots=True)
class Pair:
    from_digest: str
    to_digest: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The packs of a pair that are stored."""

    pair: Pair
    size_bytes: int


Running = Mapping[tuple[str, str], int]
"""(component, digest) → how many devices run it."""
Aims = Collection[tuple[str, str]]
"""(component, digest) of releases that devices are, or may soon be, sent to."""


def useful(running: Running, aims: Aims, known: Collection[str]) -> dict[Pair, int]:
    """Pairs that devices can use → how many. `known` are the digests of published releases: others cannot be read."""
    found: dict[Pair, int] = {}
    for component, aim in aims:
        others = {d: n for (c, d), n in running.items() if c == component and d != aim}
        found |= {Pair(digest, aim): count for digest, count in others.items() if digest in known}
        # The whole release serves those whose release is unknown, and, less well, all the others.
        found[Pair(WHOLE, aim)] = sum(count for digest, count in others.items() if digest not in known)
    return found


def next_pair(useful_pairs: Mapping[Pair, int], done: Collection[Pair]) -> Pair | None:
    """The pair that most devices wait for; patches before whole releases where as many do."""
    left = [pair for pair in useful_pairs if pair not in done]
    return min(left, key=lambda p: (-useful_pairs[p], p.from_digest == WHOLE, p), default=None)


def useless(kept: Sequence[Kept], useful_pairs: Mapping[Pair, int]) -> list[Pair]:
    """Pairs whose packs nobody can use any more."""
    return [one.pair for one in kept if one.pair not in useful_pairs]


def too_many(kept: Sequence[Kept], useful_pairs: Mapping[Pair, int], limit_bytes: int) -> list[Pair]:
    """Pairs whose packs go so that the rest fits: those that fewest devices can use first, of these the largest."""
    stay = [one for one in kept if one.pair in useful_pairs and one.size_bytes]
    over = sum(one.size_bytes for one in stay) - limit_bytes
    gone = []
    for one in sorted(stay, key=lambda one: (useful_pairs[one.pair], -one.size_bytes)):
        if over <= 0:
            break
        gone.append(one.pair)
        over -= one.size_bytes
    return gone
