"""Draws have the shares and durations that were assumed, and are the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from surefoot_server.rollouts.forecast.assumed import Assumed, Group, Model, Offline, Rates, Took
from surefoot_server.rollouts.forecast.draws import NEVER, SECOND, Draws, Fate, draw
from surefoot_server.rollouts.forecast.people import from_groups
from surefoot_server.rollouts.policy import parse

PEOPLE = from_groups(parse(""), [Group(15_000, "pi"), Group(5_000, "jetson")], "s")
ASSUMED = Assumed(download=Took(60, 240), offline=Offline(0.2, 3600, 0.05))


def drawn(model: Model, seed: int = 1) -> Draws:
    return draw(PEOPLE, ASSUMED, model, np.random.default_rng(seed))


def test_the_same_seed_draws_the_same_and_another_one_does_not() -> None:
    assert drawn(Model()) == drawn(Model())
    assert drawn(Model()) != drawn(Model(), seed=2)


def test_outcomes_have_the_shares_that_were_assumed() -> None:
    fate = drawn(Model(Rates(refused=0.05, failed=0.1, reverted=0.2, lost=0.02))).fate

    shares = [fate.count(f) / len(fate) for f in Fate]
    assert shares == pytest.approx([0.05, 0.1, 0.2, 0.02, 0.63], abs=0.015)


def test_rates_of_one_hardware_leave_the_others_healthy() -> None:
    fate = drawn(Model(Rates(reverted=1.0, failed=0, lost=0), on=frozenset({"jetson"}))).fate

    jetson = PEOPLE.hw == PEOPLE.hw_names.index("jetson")
    assert {f for f, bad in zip(fate, jetson, strict=True) if bad} == {Fate.REVERTS}
    assert fate.count(Fate.COMMITS) > 14_500


def test_durations_have_their_median_and_their_slowest_twentieth() -> None:
    download = np.array(drawn(Model()).download) / SECOND

    assert np.median(download) == pytest.approx(60, rel=0.05)
    assert np.quantile(download, 0.95) == pytest.approx(240, rel=0.07)


def test_who_is_away_comes_back_after_the_mean_time_and_who_is_gone_does_not() -> None:
    nap = np.array(drawn(Model()).nap)

    away = nap[nap > 0] / SECOND
    assert np.mean(nap == NEVER) == pytest.approx(0.05, abs=0.01)
    assert len(away) / len(nap) == pytest.approx(0.2, abs=0.01)
    assert away.mean() == pytest.approx(3600, rel=0.1)
