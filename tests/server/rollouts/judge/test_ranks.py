"""Rank tests: against the tables, within strata, and where there is nothing to be sure of."""

from __future__ import annotations

import math
import random
from itertools import product

import numpy as np
import pytest
from scipy.stats import rankdata

from surefoot_server.rollouts.judge.ranks import (
    Strata,
    control_bound,
    control_p,
    control_ranked,
    paired_bound,
    paired_p,
    paired_ranked,
)


def apart(n: int, m: int) -> Strata:
    """A canary that lies below its whole control."""
    return {"pi": ([float(i) for i in range(n)], [100.0 + i for i in range(m)])}


@pytest.mark.parametrize(("n", "m", "p"), [(3, 3, 0.05), (4, 4, 0.0143), (5, 5, 0.00397), (3, 20, 0.000565)])
def test_the_least_p_of_small_groups_is_what_the_tables_say(n: int, m: int, p: float) -> None:
    assert control_p(apart(n, m), 0.0, below=True) == pytest.approx(p, rel=0.02)
    assert control_ranked(apart(n, m)).smallest_p == pytest.approx(p, rel=0.02)


def test_five_devices_against_themselves_give_one_in_32_at_best() -> None:
    fell = [-1.0, -2.0, -3.0, -4.0, -5.0]

    assert paired_p(fell, 0.0, below=True) == pytest.approx(1 / 32)
    assert paired_ranked(fell).smallest_p == 1 / 32
    assert paired_ranked(fell).estimate == -3.0


def test_ties_throughout_are_no_difference_and_no_error() -> None:
    same: Strata = {"pi": ([5.0] * 4, [5.0] * 9)}
    two: Strata = {"pi": ([5.0] * 4, [5.0] * 9), "jetson": ([7.0], [7.0] * 3)}

    assert control_p(same, 0.0, below=True) > 0.4
    assert control_p(two, 0.0, below=True) == 1.0
    assert paired_p([0.0, 0.0], 0.0, below=True) == 1.0
    assert control_ranked(same).effect == 0.5


def test_nothing_to_compare_with_is_never_sure() -> None:
    assert control_p({}, 0.0, below=True) == control_p({"pi": ([1.0], [])}, 0.0, below=True) == 1.0
    assert control_ranked({}).smallest_p == 1.0
    assert control_bound({}, 0.05, lower=True) is None
    assert paired_bound([1.0, 2.0], 0.05, lower=True) is None


def test_what_a_site_has_in_common_cancels() -> None:
    """Canaries sit at the dark site: without strata they would look worse, within their site they do not."""
    draw = random.Random(5)
    dark, light = (lambda: draw.gauss(-3, 0.1)), (lambda: draw.gauss(0, 0.1))
    strata: Strata = {
        "pi at dark": ([dark() for _ in range(9)], [dark() for _ in range(9)]),
        "pi at light": ([light() for _ in range(2)], [light() for _ in range(40)]),
    }
    sides = [[v for s in strata.values() for v in s[side]] for side in (0, 1)]
    pooled: Strata = {"pi": (sides[0], sides[1])}

    assert control_p(pooled, 0.0, below=True) < 0.001
    assert control_p(strata, 0.0, below=True) > 0.05


def test_a_shift_within_every_site_is_seen_through_the_difference_between_sites() -> None:
    draw = random.Random(6)
    strata: Strata = {
        f"site {i}": ([draw.gauss(i - 0.3, 0.1) for _ in range(2)], [draw.gauss(i, 0.1) for _ in range(6)])
        for i in range(8)
    }

    assert control_p(strata, 0.0, below=True) < 1e-5
    assert control_p(strata, 0.0, below=False) > 0.99
    assert control_ranked(strata).estimate == pytest.approx(-0.3, abs=0.05)
    assert control_ranked(strata).effect < 0.1


def test_the_bounds_are_where_the_test_just_stops_to_be_sure() -> None:
    draw = random.Random(7)
    strata: Strata = {"pi": ([draw.gauss(-0.3, 0.1) for _ in range(12)], [draw.gauss(0, 0.1) for _ in range(40)])}
    low, high = control_bound(strata, 0.05, lower=True), control_bound(strata, 0.05, lower=False)

    assert low is not None
    assert high is not None
    assert low < control_ranked(strata).estimate < high < 0
    assert control_p(strata, high + 1e-6, below=True) <= 0.05 < control_p(strata, high - 1e-3, below=True)


def test_many_pairs_are_estimated_within_bounded_memory() -> None:
    big: Strata = {"pi": ([1.0] * 1000, [float(i % 2) for i in range(100_000)])}

    assert control_ranked(big).estimate in (0.0, 0.5, 1.0)
    assert math.isfinite(paired_ranked([float(i) for i in range(20_000)]).estimate)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 3), (2, 2), (2, 5)])
@pytest.mark.parametrize("sites", [2, 3])
def test_within_few_devices_no_p_is_less_than_the_least_there_can_be(shape: tuple[int, int], sites: int) -> None:
    n, m = shape
    low: Strata = {
        f"site {s}": ([-9.0 - i / 7 - s for i in range(n)], [i / 7 - s / 3 for i in range(m)]) for s in range(sites)
    }

    least = control_ranked(low).smallest_p

    assert least == pytest.approx(math.comb(n + m, n) ** -sites)
    assert control_p(low, 0.0, below=True) >= least - 1e-12
    assert control_p(low, 0.0, below=True) == pytest.approx(least)
    assert control_p(low, 0.0, below=False) == pytest.approx(1.0)


def test_few_devices_that_do_not_differ_are_called_different_no_more_often_than_stated() -> None:
    draw = random.Random(8)
    ps = []
    for _ in range(400):
        strata: Strata = {f"site {s}": ([draw.gauss(s, 1)], [draw.gauss(s, 1) for _ in range(3)]) for s in range(3)}
        ps.append(control_p(strata, 0.0, below=True))

    assert sum(p <= 0.05 for p in ps) / len(ps) <= 0.05 + 0.03
    assert sum(p <= 0.2 for p in ps) / len(ps) <= 0.2 + 0.05


@pytest.mark.parametrize("changes", [[0.5] * 6, [1.0, 1.0, -1.0, 2.0, 2.0], [3.0, -2.0, -2.0, 1.0, 4.0, 4.0, -4.0]])
@pytest.mark.parametrize("below", [True, False])
def test_ties_of_few_devices_are_counted_out_as_every_way_to_sign_them(changes: list[float], below: bool) -> None:
    ranks = rankdata(np.abs(changes))
    risen = sum(r for r, c in zip(ranks, changes, strict=True) if c > 0)
    totals = [sum(r for r, up in zip(ranks, signs, strict=True) if up) for signs in product((0, 1), repeat=len(ranks))]

    expected = np.mean([total <= risen if below else total >= risen for total in totals])

    assert paired_p(changes, 0.0, below=below) == pytest.approx(expected)
