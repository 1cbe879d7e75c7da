from __future__ import annotations

import pytest

from surefoot_agent.health.metric import judge
from surefoot_agent.scrape import Series

PLAIN = [Series("queue", 10.0)]
STREAMS = [Series("queue", 10.0, {"stream": "a"}), Series("queue", 90.0, {"stream": "b"})]


@pytest.mark.parametrize(
    ("params", "baseline", "good"),
    [
        ({"min": 10.0}, {}, True),
        ({"min": 10.1}, {}, False),
        ({"max": 10.0}, {}, True),
        ({"max": 9.9}, {}, False),
        ({"min_ratio": 0.8}, {"queue": 12.0}, True),
        ({"min_ratio": 0.8}, {"queue": 13.0}, False),
        ({"max_ratio": 1.3}, {"queue": 8.0}, True),
        ({"max_ratio": 1.3}, {"queue": 7.0}, False),
        ({"max_delta": 2.0}, {"queue": 8.0}, True),
        ({"max_delta": 2.0}, {"queue": 7.9}, False),
        ({"max_delta": 2.0}, {"queue": 100.0}, True),
        ({"max_drop": 2.0}, {"queue": 12.0}, True),
        ({"max_drop": 2.0}, {"queue": 12.1}, False),
        ({"max": 20.0, "max_ratio": 1.0}, {"queue": 9.0}, False),
        ({"max": 9.0, "max_ratio": 2.0}, {"queue": 9.0}, False),
    ],
)
def test_a_value_is_held_to_the_tightest_bound(
    params: dict[str, float], baseline: dict[str, float], good: bool
) -> None:
    assert judge({"metric": "queue", **params}, PLAIN, baseline, "the application").good is good


def test_a_relative_bound_without_a_baseline_is_not_applied_and_says_so() -> None:
    found = judge({"metric": "queue", "max_ratio": 1.0}, PLAIN, {}, "the application")

    assert found.good
    assert "nothing was measured before the update" in found.message


def test_a_metric_that_is_not_there_is_no_pass() -> None:
    found = judge({"metric": "other", "max": 5.0}, PLAIN, {}, "the device")

    assert (found.good, found.message) == (False, "the device shows no other")


def test_the_bad_series_does_not_hide_behind_the_good_one_and_is_named() -> None:
    found = judge({"metric": "queue", "max": 50.0}, STREAMS, {}, "the application")

    assert not found.good
    assert dict(found.broken) == {"stream=b": "queue{stream=b} is 90, at most 50 is allowed"}


def test_each_series_is_compared_with_itself_before() -> None:
    before = {"queue{stream=a}": 10.0, "queue{stream=b}": 90.0}

    assert judge({"metric": "queue", "max_ratio": 1.1}, STREAMS, before, "").good
    assert not judge({"metric": "queue", "max_ratio": 1.1}, STREAMS, {**before, "queue{stream=b}": 10.0}, "").good


def test_only_the_series_with_these_labels_are_judged() -> None:
    assert judge({"metric": "queue", "labels": "stream=a", "max": 50.0}, STREAMS, {}, "").good
    assert not judge({"metric": "queue", "labels": "stream=c", "max": 50.0}, STREAMS, {}, "").good
