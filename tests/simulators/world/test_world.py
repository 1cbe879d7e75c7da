"""A world is made of real cores and real services, and everything drawn follows from its seed."""

from __future__ import annotations

import pytest

from surefoot_agent.runner import Runner
from surefoot_server.rollouts.service import RolloutService
from surefoot_simulators.world.world import World

pytestmark = pytest.mark.slow


def test_devices_and_server_are_the_real_ones(played: World) -> None:
    assert {type(node.runner) for node in played.nodes.values()} == {Runner}
    assert type(played.site.rollouts) is RolloutService


def test_who_is_struck_follows_from_the_seed(played: World) -> None:
    chosen = [node.birth.name for node in played.chosen("hw == 'rpi5'", 0.0, 2, "fault", 0)]

    assert chosen == [node.birth.name for node in played.chosen("hw == 'rpi5'", 0.0, 2, "fault", 0)]
    assert len(chosen) == 2
    assert all(name.startswith("cam") for name in chosen)


def test_an_effect_reaches_those_for_whom_it_holds(played: World) -> None:
    fails = {name for name, node in played.nodes.items() if played.conduct(node.birth, "1.1").fails}

    assert fails == {"cam-0001"}


def test_keys_and_ids_are_drawn_and_no_two_are_equal(played: World) -> None:
    keys = {node.birth.key.private_numbers().private_value for node in played.nodes.values()}

    assert len(keys) == len(played.nodes)
    assert played.new_id() != played.new_id()
