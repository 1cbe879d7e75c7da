"""The way back as a policy states it: shares that rise to all, and what stops it."""

from __future__ import annotations

import pytest

from surefoot_server.rollouts.policy import parse
from surefoot_server.rollouts.way_back import Stage, WayBack
from surefoot_shared.errors import Invalid

WHOLE = "revert: {phases: [{percent: 5, bake: 10m}, {percent: 100}], tripwire: 2, fail_if_surely_above: 10%}"


def test_it_is_read_as_it_is_written_and_all_at_once_by_default() -> None:
    assert parse(WHOLE).way_back == WayBack((Stage(5.0, 600.0), Stage(100.0)), tripwire=2, max_rate=0.1)
    assert parse("").way_back == WayBack()
    assert parse(WHOLE).way_back.words() == ["goes back in 5%, 100%"]
    assert parse("").way_back.words() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("revert: {phases: [{percent: 10}]}", "revert.phases: the last phase must have percent: 100"),
        ("revert: {phases: []}", "the last phase must have percent: 100"),
        ("revert: {phases: [{percent: 50}, {percent: 10}]}", "revert.phases[1]: percent must rise"),
        ("revert: {phases: [{bake: 1m}]}", "revert.phases[0].percent: it is missing"),
        ("rollout: {strategy: blue-green}\nrevert: {phases: [{percent: 100}]}", "blue-green takes every device back"),
    ],
)
def test_what_would_leave_devices_behind_is_refused(text: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(text)

    assert message in refused.value.message


@pytest.mark.parametrize(("stage", "total", "quota"), [(0, 100, 5), (0, 1, 1), (0, 0, 0), (1, 37, 37), (7, 37, 37)])
def test_a_share_is_rounded_up_and_the_last_one_is_everybody(stage: int, total: int, quota: int) -> None:
    assert parse(WHOLE).way_back.quota(stage, total) == quota


def test_a_count_and_a_rate_stop_it() -> None:
    way = parse(WHOLE).way_back

    assert way.stopped(1, 30) == ""
    assert way.stopped(2, 2) == "2 of 2 devices could not go back, the tripwire is 2"
    assert WayBack(max_rate=0.1).stopped(2, 5) == "2 of 5 devices could not go back, surely more than 10%"
    assert WayBack(max_rate=0.1).stopped(1, 5) == ""
    assert WayBack().stopped(9, 9) == ""
