"""A site's rate is shared among those who download there, and a fleet does not begin at once."""

from __future__ import annotations

import pytest

from surefoot_server.devices.leave import LEAST_BYTES_PER_S, SHARED_VALID_S, SPREAD_LIMIT_S, Rates, leave


def test_without_limits_a_device_alone_begins_at_once_and_as_fast_as_it_can() -> None:
    given = leave(Rates(), 3600.0, "a-1", at_site=1, in_fleet=1, begun=False)

    assert (given.rate_bytes_per_s, given.valid_s, given.wait_s) == (None, 3600.0, 0.0)


def test_the_shares_of_a_site_add_up_to_its_rate_and_end_soon() -> None:
    given = leave(Rates(site_bytes_per_s=1_000_000), 3600.0, "a-1", at_site=4, in_fleet=4, begun=True)

    assert (given.rate_bytes_per_s, given.valid_s) == (250_000, SHARED_VALID_S)


def test_the_stricter_of_both_limits_counts() -> None:
    rates = Rates(site_bytes_per_s=1_000_000, device_bytes_per_s=300_000)

    assert leave(rates, 60.0, "a", at_site=1, in_fleet=1, begun=True).rate_bytes_per_s == 300_000
    assert leave(rates, 60.0, "a", at_site=5, in_fleet=5, begun=True).rate_bytes_per_s == 200_000
    assert leave(rates, 60.0, "a", 100_000, at_site=5, in_fleet=5, begun=True).rate_bytes_per_s == 100_000


def test_a_share_is_never_so_small_that_nobody_gets_anything() -> None:
    given = leave(Rates(site_bytes_per_s=1000), 60.0, "a", at_site=900, in_fleet=900, begun=True)

    assert given.rate_bytes_per_s == LEAST_BYTES_PER_S


@pytest.mark.parametrize("fleet", [10, 2000, 1_000_000])
def test_a_fleet_begins_spread_over_a_time_that_grows_with_it(fleet: int) -> None:
    waits = [leave(Rates(), 3600.0, f"a-{n}", at_site=1, in_fleet=fleet, begun=False).wait_s for n in range(400)]

    until = min(SPREAD_LIMIT_S, fleet * 0.05)
    assert 0 <= min(waits) < until * 0.05
    assert until * 0.95 < max(waits) <= until


def test_nobody_waits_so_long_that_the_lease_is_over_before_it_begins() -> None:
    waits = [leave(Rates(), 40.0, f"a-{n}", at_site=1, in_fleet=5000, begun=False).wait_s for n in range(400)]

    assert 19 < max(waits) <= 20


def test_a_lease_that_is_given_again_does_not_postpone_and_one_in_use_does_not_wait() -> None:
    first = leave(Rates(), 60.0, "a-1", at_site=1, in_fleet=2000, begun=False)

    assert leave(Rates(), 60.0, "a-1", at_site=1, in_fleet=2000, begun=False) == first
    assert leave(Rates(), 60.0, "a-1", at_site=1, in_fleet=2000, begun=True).wait_s == 0.0
