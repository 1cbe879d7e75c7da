"""Modelled readings carry the effect of the release, and the judge sees it."""

from __future__ import annotations

import numpy as np
import pytest

from surefoot_server.rollouts.forecast.assumed import Effect, Group, Model
from surefoot_server.rollouts.forecast.people import from_groups
from surefoot_server.rollouts.forecast.readings import CANARIES_LIMIT, Readings
from surefoot_server.rollouts.judge import Reading
from surefoot_server.rollouts.policy import parse
from surefoot_server.rollouts.readings import CONTROLS_LIMIT

POLICY = parse(
    "phases: [{percent: 50}, {percent: 100}]\n"
    "gate: {looks: 2, objectives: [{metric: camera_fps, against: control, min_ratio: 0.97, critical: true},"
    " {metric: soc_temperature_c, max: 80}]}\n"
)
PEOPLE = from_groups(POLICY, [Group(4000, "pi", "s", 4)], "x")


def looked(model: Model, committed: int = 400) -> dict[str, list[Reading]]:
    readings = Readings(POLICY, PEOPLE, model, Model(), np.random.default_rng(1))
    look = readings.look(2, list(range(committed)), PEOPLE.sizes[0])
    assert (look.number, look.of) == (2, 2)
    return {key: list(found) for key, found in look.readings.items()}


def change(readings: list[Reading], *, canary: bool) -> float:
    return float(np.median([r.after / r.before for r in readings if r.canary is canary and r.before and r.after]))


def test_a_release_changes_its_canaries_and_not_their_controls() -> None:
    found = looked(Model(metrics={"camera_fps": Effect(0.8)}))["camera_fps against control"]

    assert change(found, canary=True) == pytest.approx(0.8, abs=0.01)
    assert change(found, canary=False) == pytest.approx(1.0, abs=0.01)


def test_no_more_devices_are_read_than_help() -> None:
    found = looked(Model(), 2000)["camera_fps against control"]

    assert sum(r.canary for r in found) == CANARIES_LIMIT
    assert sum(not r.canary for r in found) == CONTROLS_LIMIT


def test_a_figure_of_the_policy_is_kept_by_a_release_of_which_nothing_is_said() -> None:
    found = looked(Model())["soc_temperature_c against limit"]

    assert all(r.after is not None and r.after < 80 for r in found)


def test_the_usual_value_may_be_given() -> None:
    found = looked(Model(metrics={"soc_temperature_c": Effect(1.5, usual=60)}))["soc_temperature_c against limit"]

    assert np.median([r.after for r in found]) == pytest.approx(90, rel=0.02)
