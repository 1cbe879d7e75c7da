"""Limits as an operator writes them."""

from __future__ import annotations

from datetime import date

from surefoot_server.rollouts.policy import parse
from surefoot_server.rollouts.windows import Freeze

WHOLE = """
limits:
  max_concurrent: 50
  max_unavailable: 5
  per_site_unavailable: 1
  bandwidth_mbps: 200
  window: site-local 01:00-05:00
  download_window: any
  freeze: [2026-12-24/2027-01-02, 2027-02-17]
"""


def test_every_limit_is_read() -> None:
    limits = parse(WHOLE).limits

    assert (limits.max_concurrent, limits.max_unavailable, limits.per_site_unavailable) == (50, 5, 1)
    assert limits.window is not None
    assert limits.window.spans == ((60, 300),)
    assert limits.download_window is None
    assert limits.freeze[0] == Freeze(date(2026, 12, 24), date(2027, 1, 2))


def test_devices_that_fetch_at_a_time_share_the_bandwidth() -> None:
    assert parse(WHOLE).limits.pool_bytes_per_s == 200 * 125_000
    assert parse("").limits.pool_bytes_per_s is None


def test_rolling_lets_one_device_be_unavailable_unless_it_says_more() -> None:
    assert parse("rollout: {strategy: rolling}").limits.max_unavailable == 1
    assert parse("rollout: {strategy: rolling}\nlimits: {max_unavailable: 7}").limits.max_unavailable == 7
    assert parse("").limits.max_unavailable is None


def test_devices_wait_for_the_order_to_switch_where_somebody_must_count_them() -> None:
    assert not parse("").orders_switch
    assert parse("rollout: {strategy: rolling}").orders_switch
    assert parse("rollout: {strategy: blue-green}").orders_switch
    assert parse("limits: {per_site_unavailable: 1}").orders_switch


def test_a_plan_says_each_limit_in_words() -> None:
    assert parse(WHOLE).limits.words() == [
        "at most 50 at a time",
        "at most 5 unavailable",
        "at most 1 unavailable at a site",
        "downloads share 200 Mbit/s",
        "switches site-local 01:00-05:00",
        "nothing new on 2026-12-24 to 2027-01-02, 2027-02-17 to 2027-02-17",
    ]
