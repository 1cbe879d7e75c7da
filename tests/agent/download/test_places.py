from __future__ import annotations

from collections.abc import Mapping, Sequence

from surefoot_agent.download.places import MINT_AT_ONCE, Kind, Places
from surefoot_shared.errors import Unreachable
from surefoot_shared.messages import Lease, Source

CACHE = Source("http://cache/blobs/", "")
LEASE = Lease("a-1", (Source("https://one/", "t"), Source("https://two/", "u")), 60.0, mint_url="https://one/urls")
PLAIN = Lease("a-1", LEASE.sources, 60.0)


def urls(places: Places, name: str = "n") -> list[str]:
    return [place.url(name) for place in places.of(name)]


def test_the_nearest_place_comes_first() -> None:
    places = Places(LEASE, (CACHE,), lambda _lease, names, _over: {name: f"https://store/{name}?sig" for name in names})

    assert urls(places) == ["http://cache/blobs/n", "https://store/n?sig", "https://one/n", "https://two/n"]


def test_a_cache_is_not_asked_for_frames_for_their_name_proves_nothing() -> None:
    assert urls(Places(PLAIN, (CACHE,)), "n.zst") == ["https://one/n.zst", "https://two/n.zst"]


def test_a_minted_address_carries_no_token() -> None:
    places = Places(LEASE, (), lambda _lease, names, _over: {"n": "https://store/n"})

    assert [place.source.token for place in places.of("n")] == ["", "t", "u"]


def test_addresses_are_minted_for_what_comes_next_too_and_once() -> None:
    asked: list[Sequence[str]] = []
    upcoming = [str(n) for n in range(300)]

    def mint(_lease: Lease, names: Sequence[str], _over: object) -> Mapping[str, str]:
        asked.append(names)
        return {name: f"https://store/{name}" for name in names}

    places = Places(LEASE, (), mint, upcoming)
    for name in upcoming:
        assert urls(places, name)[0] == f"https://store/{name}"

    assert [names[0] for names in asked] == ["0", "100", "200"]
    assert max(map(len, asked)) <= MINT_AT_ONCE


def test_an_address_that_expired_is_asked_for_anew() -> None:
    number = iter(range(9))
    places = Places(LEASE, (), lambda _lease, names, _over: {"n": f"https://store/{next(number)}"})
    assert urls(places)[0] == "https://store/0"

    places.expired("n")

    assert urls(places)[0] == "https://store/1"


def test_where_nothing_is_minted_the_sources_are_asked() -> None:
    def mint(_lease: Lease, _names: Sequence[str], _over: object) -> Mapping[str, str]:
        raise Unreachable("busy", "not now")

    said: list[str] = []

    assert urls(Places(LEASE, (), mint, say=said.append)) == ["https://one/n", "https://two/n"]
    assert said == ["No addresses of the object storage: not now. The sources are asked."]
    assert urls(Places(LEASE, (), lambda _lease, _names, _over: {})) == ["https://one/n", "https://two/n"]


def test_a_place_that_failed_is_not_asked_again_but_the_sources_are() -> None:
    places = Places(LEASE, (CACHE,), lambda _lease, names, _over: dict.fromkeys(names, "https://store/"))
    for place in list(places.of("n")):
        places.gone(place, "It lies.")

    assert urls(places) == ["https://one/n", "https://two/n"]
    assert urls(places.only((Kind.CACHE,))) == []


def test_what_was_left_is_told_once_by_its_host_and_the_first_reason_and_never_by_a_path_that_holds_a_token() -> None:
    lease = Lease("a-1", (Source("http://server:8444/secret-token/", ""),), 60.0)
    places = Places(lease, (CACHE,))
    for place in list(places.of("n")) * 2:
        places.only((place.kind,)).gone(place, f"Reason {len(places.left)}.")

    assert places.left == {"a cache of the site at cache": "Reason 0", "a source at server:8444": "Reason 1"}
