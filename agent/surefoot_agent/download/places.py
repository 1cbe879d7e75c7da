"""The places that a download asks, nearest first: caches of the site, object storage by minted address, the sources.

Promises: a place that cannot be reached is not asked again in this download; a token goes to its own source alone, and
a minted address carries none. Pure, but for who mints.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from urllib.parse import urlsplit

from surefoot_agent.ports import Say, never, silent
from surefoot_shared.errors import SurefootError
from surefoot_shared.messages import Lease, Source
from surefoot_shared.pack import ZSTD_SUFFIX

MINT_AT_ONCE = 100
"""Addresses asked for in one question; they expire, so that not all of a release are asked for at once."""
Mint = Callable[[Lease, Sequence[str], Callable[[], bool]], Mapping[str, str]]
"""Names to addresses, given up where the function says so. Raises what the question raises."""


class Kind(str, Enum):
    CACHE = "cache"
    STORE = "store"
    SOURCE = "source"
    AIR = "air"
    """Chunks over MQTT."""

    @property
    def words(self) -> str:
        return {
            "cache": "a cache of the site",
            "store": "the object storage",
            "source": "the sources",
            "air": "the broker",
        }[self.value]


@dataclass(frozen=True)
class Place:
    """Where something can be asked for by name. `address` is the whole of a minted one."""

    kind: Kind
    source: Source
    address: str = ""

    def url(self, name: str) -> str:
        return self.address or self.source.url + name

    @property
    def words(self) -> str:
        """For people: without its path, which may hold a token."""
        kind = "a source" if self.kind is Kind.SOURCE else self.kind.words
        return f"{kind} at {urlsplit(self.address or self.source.url).netloc or 'this device'}"

    @property
    def known_as(self) -> str:
        """What it is remembered by; an address says nothing of its storage once it expired."""
        return self.kind.value if self.address else self.source.url


@dataclass
class Places:
    """The places of one lease. `caches` serve what is named by its own hash, so no frames of single blobs."""

    lease: Lease
    caches: Sequence[Source] = ()
    mint: Mint | None = None
    upcoming: Sequence[str] = ()
    """Names that will be asked for, in their order."""
    kinds: Collection[Kind] = tuple(Kind)
    over: Callable[[], bool] = never
    """Whether the download was stopped, or its lease ended."""
    say: Say = silent
    silent: set[str] = field(default_factory=set)
    """Holds AIR once the sources could not be reached and the broker brought what they should have."""
    left: dict[str, str] = field(default_factory=dict)
    """What went wrong at a place that was left for the next, by the place's name for people: the first time of each."""
    _gone: set[str] = field(default_factory=set)
    _minted: dict[str, str] = field(default_factory=dict)

    def of(self, name: str) -> Iterator[Place]:
        """Yield the places to ask for `name`, the nearest first."""
        if Kind.CACHE in self.kinds and not name.endswith(ZSTD_SUFFIX):
            for cache in self.caches:
                yield from self._unless_gone(Place(Kind.CACHE, cache))
        if Kind.STORE in self.kinds:
            yield from self._stored(name)
        if Kind.SOURCE in self.kinds and not self.silent:
            for source in self.lease.sources:
                yield from self._unless_gone(Place(Kind.SOURCE, source))

    def only(self, kinds: Collection[Kind]) -> Places:
        """The same places, but these kinds alone; what is gone is gone for both."""
        return replace(self, kinds=kinds)

    def gone(self, place: Place, why: str) -> None:
        """Ask it no more; but the sources are asked again as long as nothing else is left."""
        self.left.setdefault(place.words, why.rstrip("."))
        if place.kind is not Kind.SOURCE:
            self._gone.add(place.known_as)

    def expired(self, name: str) -> None:
        """The storage refused an address: every one of its age will be."""
        self._minted.clear()

    def _unless_gone(self, place: Place) -> Iterator[Place]:
        if place.known_as not in self._gone:
            yield place

    def _stored(self, name: str) -> Iterator[Place]:
        """By a minted address, and by a new one where the first had expired."""
        for _ in range(2):
            address = self._address(name)
            if address is None:
                return
            yield Place(Kind.STORE, Source("", ""), address)
            if name in self._minted:
                return

    def _address(self, name: str) -> str | None:
        if not self.lease.mint_url or self.mint is None or Kind.STORE.value in self._gone:
            return None
        if name not in self._minted:
            at = self.upcoming.index(name) if name in self.upcoming else len(self.upcoming)
            names = [name, *self.upcoming[at + 1 : at + MINT_AT_ONCE]]
            try:
                self._minted.update(self.mint(self.lease, names, self.over))
            except SurefootError as error:
                self._gone.add(Kind.STORE.value)  # the sources themselves are asked
                if not self.over():
                    self.say(f"No addresses of the object storage: {error.message.rstrip('.')}. The sources are asked.")
        return self._minted.get(name)
