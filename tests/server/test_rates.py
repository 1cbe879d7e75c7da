from __future__ import annotations

import pytest

from surefoot_server import rates
from surefoot_server.rates import Rate, TokenBuckets


def test_a_burst_is_allowed_and_then_the_rate_decides() -> None:
    buckets = TokenBuckets(Rate(per_s=2.0, burst=3))

    taken = [buckets.take("cam", 0.0) for _ in range(4)]

    assert taken == [True, True, True, False]
    assert buckets.take("cam", 0.4) is False
    assert buckets.take("cam", 1.0) is True


def test_one_key_does_not_use_up_anothers_tokens() -> None:
    buckets = TokenBuckets(Rate(per_s=1.0, burst=1))

    assert buckets.take("a", 0.0)
    assert not buckets.take("a", 0.0)
    assert buckets.take("b", 0.0)


def test_a_long_silence_earns_no_more_than_the_burst() -> None:
    buckets = TokenBuckets(Rate(per_s=10.0, burst=2))
    buckets.take("cam", 0.0)

    taken = [buckets.take("cam", 1e6) for _ in range(3)]

    assert taken == [True, True, False]


def test_the_wait_for_the_next_token_is_told() -> None:
    buckets = TokenBuckets(Rate(per_s=0.5, burst=1))
    buckets.take("cam", 0.0)

    assert buckets.wait_s("cam") == pytest.approx(2.0)
    assert buckets.wait_s("never seen") == 0.0


def test_memory_stays_bounded_however_many_keys_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "KEYS_LIMIT", 10)
    buckets = TokenBuckets(Rate(per_s=1.0, burst=1))

    for number in range(100):
        buckets.take(f"key-{number}", 0.0)

    assert len(buckets._buckets) == 10
    assert not buckets.take("key-99", 0.0), "the newest key is still known"


@pytest.mark.parametrize(("per_s", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_rate_that_lets_nothing_through_cannot_be_made(per_s: float, burst: float) -> None:
    with pytest.raises(ValueError):
        Rate(per_s=per_s, burst=burst)
