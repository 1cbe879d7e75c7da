"""Tries come further and further apart, and end."""

from __future__ import annotations

from datetime import timedelta

from surefoot_server.notify.backoff import JITTER, WAITS_S, next_at
from tests.server.rig import NOW


def test_each_wait_is_at_least_as_long_as_the_one_before_and_the_last_is_the_end() -> None:
    waits = [next_at(tries, NOW, 0.0) for tries in range(1, len(WAITS_S) + 2)]

    assert waits[-1] is None
    assert [w - NOW for w in waits if w] == [timedelta(seconds=s) for s in WAITS_S]
    assert sorted(WAITS_S) == list(WAITS_S)
    assert timedelta(hours=24) < timedelta(seconds=sum(WAITS_S)) < timedelta(hours=36)


def test_chance_spreads_the_tries() -> None:
    late = next_at(1, NOW, 1.0)

    assert late == NOW + timedelta(seconds=WAITS_S[0] * (1 + JITTER))
