from __future__ import annotations

import pytest

from surefoot_agent.bench import Bench, Done
from surefoot_agent.lanes import InlineLanes, Lane


@pytest.fixture
def results() -> list[Done]:
    return []


@pytest.fixture
def bench(results: list[Done]) -> Bench:
    return Bench(InlineLanes(), results.append)


def test_submitted_work_always_counts(bench: Bench, results: list[Done]) -> None:
    bench.submit("tend", Lane.APP, lambda: 1)
    bench.submit("tend", Lane.APP, lambda: 2)
    bench.forget()

    assert [(done.result, bench.take(done)) for done in results] == [(1, True), (2, True)]


def test_an_effect_counts_once(bench: Bench, results: list[Done]) -> None:
    bench.effect("seal", Lane.FILES, lambda: 1)
    assert bench.busy("seal")

    assert bench.take(results[0])
    assert not bench.busy("seal")
    assert not bench.take(results[0])


def test_only_the_newest_order_of_a_name_counts(bench: Bench, results: list[Done]) -> None:
    bench.effect("download", Lane.FILES, lambda: "old")
    bench.effect("download", Lane.FILES, lambda: "new")

    assert [bench.take(done) for done in results] == [False, True]


def test_what_was_ordered_in_a_state_left_behind_does_not_count(bench: Bench, results: list[Done]) -> None:
    bench.effect("arm", Lane.APP, lambda: 1)
    bench.effect("look", Lane.LOOK, lambda: 1)

    bench.forget("look")
    assert [bench.busy("arm"), bench.busy("look")] == [True, False]
    bench.forget()

    assert [bench.take(done) for done in results] == [False, False]


def test_a_failure_comes_back_as_what_it_was(bench: Bench, results: list[Done]) -> None:
    bench.effect("arm", Lane.APP, lambda: 1 / 0)

    assert isinstance(results[0].error, ZeroDivisionError)
    assert results[0].result is None
