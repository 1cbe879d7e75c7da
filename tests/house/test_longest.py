"""The order in which slow tests begin: the long ones first, in every worker, and none is lost."""

from __future__ import annotations

import random

import pytest

from tests.house.tree import ROOT
from tests.longest import SECONDS, dealt

LONG = sorted(SECONDS, key=lambda name: -SECONDS[name])


def order(names: list[str], workers: int) -> list[str]:
    return dealt(names, lambda name: name.partition("::")[0], workers)


def test_every_part_begins_with_long_ones_and_the_longest_begin_at_once() -> None:
    names = [f"tests/a.py::{n}" for n in range(30)] + [f"{file}::one" for file in LONG]

    first, found = len(names) // 3, order(names, 3)
    begins = (0, first, first + (len(names) - first) // 2)  # as pytest-xdist cuts a list in three

    assert {found[at] for at in begins} == {f"{file}::one" for file in LONG[:3]}


def test_the_tests_of_a_file_stay_together_and_in_their_order() -> None:
    names = [f"tests/a.py::{n}" for n in range(40)] + [f"{LONG[1]}::{n}" for n in range(6)]

    found = order(names, 3)

    at = found.index(f"{LONG[1]}::0")
    assert found[at : at + 6] == [f"{LONG[1]}::{n}" for n in range(6)]


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_none_is_lost_and_none_comes_twice(workers: int) -> None:
    chance = random.Random(workers)
    for _ in range(50):
        files = [*LONG, *(f"tests/{n}.py" for n in range(20))]
        names = [f"{file}::{n}" for file in chance.sample(files, 9) for n in range(chance.randrange(6))]

        assert sorted(order(names, workers)) == sorted(names)


def test_where_nothing_takes_long_the_order_stays() -> None:
    names = [f"tests/{n}.py::test" for n in range(17)]

    assert order(names, 3) == names


def test_every_file_of_the_list_is_there() -> None:
    assert [name for name in SECONDS if not (ROOT / name).exists()] == []
