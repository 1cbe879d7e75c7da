"""What is written down is read from devices and from the server's rows, and only where it changed."""

from __future__ import annotations

from itertools import pairwise

import pytest

from surefoot_shared.status import AttemptState, Outcome, PhaseState
from surefoot_simulators.world.expectations import STUCK
from surefoot_simulators.world.world import World

pytestmark = pytest.mark.slow


def test_no_device_has_two_equal_points_in_a_row_and_time_never_goes_back(played: World) -> None:
    for name in played.nodes:
        mine = [point for point in played.notes.points if point.device == name]
        assert all(
            (a.state, a.version, a.slot, a.online) != (b.state, b.version, b.slot, b.online) for a, b in pairwise(mine)
        )
    times = [point.t for point in played.notes.points]
    assert times == sorted(times)


def test_an_update_leaves_its_states_in_order(played: World) -> None:
    states = [point.state for point in played.notes.points if point.device == "cam-0003"]
    wanted = [AttemptState.DOWNLOADING, AttemptState.STAGED, AttemptState.PROBATION, AttemptState.IDLE]
    left = iter(states)

    assert all(state in left for state in wanted)


def test_ends_phases_and_acts_are_told(played: World) -> None:
    ends = {end.device: end.outcome for end in played.notes.endings}

    assert ends["cam-0001"] is Outcome.REVERTED
    assert ends["root-0004"] is Outcome.COMMITTED
    assert any(line.text.startswith("pause") for line in played.notes.story)
    assert played.notes.phases[-1].state is PhaseState.PASSED


def test_the_tally_of_a_phase_counts_its_members(played: World) -> None:
    (tally,) = played.notes.tallies()

    assert tally.members == 4
    assert dict(tally.outcomes) == {"committed": 3, "reverted": 1}


def test_every_device_has_an_explanation(played: World) -> None:
    answers = played.notes.answers()

    assert {answer.device for answer in answers} == set(played.nodes)
    assert [answer for answer in answers if not answer.sentence or answer.kind in STUCK] == []
