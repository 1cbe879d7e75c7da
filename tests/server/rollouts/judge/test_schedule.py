"""Looks: when they are due, and that together they spend no more error than one would."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot_server.rollouts.judge.schedule import alpha_at, look_due, spent


@settings(max_examples=50, deadline=None)
@given(looks=st.integers(1, 12), alpha=st.sampled_from([0.001, 0.02, 0.05, 0.1, 0.4]))
def test_all_looks_together_spend_what_one_look_may(looks: int, alpha: float) -> None:
    each = [alpha_at(k, looks, alpha) for k in range(1, looks + 1)]

    assert sum(each) == pytest.approx(alpha)
    assert all(a > 0 for a in each)


def test_early_looks_spend_little_and_one_look_spends_all() -> None:
    assert [round(alpha_at(k, 4, 0.05), 5) for k in (1, 2, 3, 4)] == [9e-05, 0.00549, 0.01805, 0.02637]
    assert alpha_at(1, 1, 0.05) == pytest.approx(0.05)
    assert spent(0, 0.05) == 0.0


@pytest.mark.parametrize(
    ("taken", "baked_s", "due"),
    [(0, 0, None), (0, 24, None), (0, 25, 1), (1, 26, None), (1, 80, 3), (3, 99, None), (3, 100, 4), (4, 500, 4)],
)
def test_a_look_is_due_once_at_its_time_and_the_last_one_until_it_is_answered(
    taken: int, baked_s: float, due: int | None
) -> None:
    assert look_due(4, taken, baked_s, 100) == due


def test_a_bake_of_no_time_is_looked_at_once() -> None:
    assert look_due(4, 0, 0.0, 0.0) == 4
