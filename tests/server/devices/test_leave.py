"""Rates are shared among those who download, and a fleet does not begin at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as given_
from hypothesis import strategies as st

from surefoot_server.devices.leave import LEAST_BYTES_PER_S, SHARED_VALID_S, SPREAD_LIMIT_S, Leave, Rates, Share, leave


def given(name: str = "a", valid_s: float = 3600.0, own: int | None = None, **more: Any) -> Leave:
    found = leave(more.pop("rates", Rates()), valid_s, name, own, **{"in_fleet": 1, "begun": False, **more})
    assert found is not None
    return found


def test_without_limits_a_device_alone_begins_at_once_and_as_fast_as_it_can() -> None:
    found = given()

    assert (found.rate_bytes_per_s, found.valid_s, found.wait_s) == (None, 3600.0, 0.0)


def test_the_shares_of_a_rate_add_up_to_it_and_end_soon() -> None:
    found = given(shares=[Share(1_000_000, sharers=4)])

    assert (found.rate_bytes_per_s, found.valid_s) == (250_000, SHARED_VALID_S)


def test_the_strictest_of_all_limits_counts() -> None:
    rates, site, fleet = Rates(device_bytes_per_s=300_000), Share(1_000_000, sharers=1), Share(1_000_000, sharers=5)

    assert given(rates=rates, shares=[site]).rate_bytes_per_s == 300_000
    assert given(rates=rates, shares=[site, fleet]).rate_bytes_per_s == 200_000
    assert given(rates=rates, shares=[site, fleet], own=100_000).rate_bytes_per_s == 100_000


def test_nobody_gets_more_than_others_have_left() -> None:
    assert given(shares=[Share(1_000_000, sharers=2, lent_bytes_per_s=900_000)]).rate_bytes_per_s == 100_000


def test_where_nothing_of_use_is_left_a_device_waits_for_its_turn() -> None:
    full, free = Share(1_000_000, sharers=2, lent_bytes_per_s=999_000), Share(1_000_000, sharers=2)

    assert leave(Rates(), 60.0, "a", shares=[free, full], in_fleet=2, begun=True) is None


def test_parts_that_would_be_of_no_use_are_given_to_fewer() -> None:
    assert given(shares=[Share(10_000, sharers=900)]).rate_bytes_per_s == LEAST_BYTES_PER_S
    assert given(shares=[Share(1000, sharers=900)]).rate_bytes_per_s == 1000
    assert leave(Rates(), 60.0, "a", shares=[Share(1000, 900, 1000)], in_fleet=900, begun=True) is None


@given_(st.integers(1, 10**7), st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=60))
def test_whoever_comes_and_goes_no_more_is_lent_than_there_is(total: int, steps: list[tuple[int, bool]]) -> None:
    lent: dict[int, int] = {}
    sharers: set[int] = set()
    for device, comes in steps:
        if not comes:
            sharers.discard(device)
            lent.pop(device, None)
            continue
        sharers.add(device)
        others = sum(rate for who, rate in lent.items() if who != device)
        found = leave(Rates(), 60.0, str(device), shares=[Share(total, len(sharers), others)], in_fleet=1, begun=True)
        if found is not None:
            lent[device] = found.rate_bytes_per_s or 0
        assert sum(lent.values()) <= total
    for _ in range(2):  # everybody renews: those that had more give it back, then those that had less get it
        for device in sharers:
            others = sum(rate for who, rate in lent.items() if who != device)
            found = leave(Rates(), 60.0, "a", shares=[Share(total, len(sharers), others)], in_fleet=1, begun=True)
            if found is not None:
                lent[device] = found.rate_bytes_per_s or 0
    if sharers and total // len(sharers) >= LEAST_BYTES_PER_S:
        assert set(lent.values()) == {total // len(sharers)}


@pytest.mark.parametrize("fleet", [10, 2000, 1_000_000])
def test_a_fleet_begins_spread_over_a_time_that_grows_with_it(fleet: int) -> None:
    waits = [given(f"a-{n}", in_fleet=fleet).wait_s for n in range(400)]

    until = min(SPREAD_LIMIT_S, fleet * 0.05)
    assert 0 <= min(waits) < until * 0.05
    assert until * 0.95 < max(waits) <= until


def test_nobody_waits_so_long_that_the_lease_is_over_before_it_begins() -> None:
    waits = [given(f"a-{n}", 40.0, in_fleet=5000).wait_s for n in range(400)]

    assert 19 < max(waits) <= 20


def test_a_lease_that_is_given_again_does_not_postpone_and_one_in_use_does_not_wait() -> None:
    first = given("a-1", 60.0, in_fleet=2000)

    assert given("a-1", 60.0, in_fleet=2000) == first
    assert given("a-1", 60.0, in_fleet=2000, begun=True).wait_s == 0.0
