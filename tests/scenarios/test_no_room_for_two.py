"""Devices without room for two releases, real agent cores against the real server in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from surefoot_server.rollouts import repository
from surefoot_shared.status import Outcome
from surefoot_simulators.world.run import set_going
from surefoot_simulators.world.scenario import parsed
from surefoot_simulators.world.world import World

pytestmark = pytest.mark.slow
SCENARIO = Path(__file__).parents[2] / "simulators/scenarios/no_room_for_two.toml"


@pytest.fixture(scope="module")
def played() -> Iterator[World]:
    with closing(World(parsed(SCENARIO.read_text(), SCENARIO.stem), 7)) as world:
        set_going(world)
        world.queue.run(6 * 3600.0)
        yield world


def test_all_but_the_sick_one_run_the_new_release_and_that_one_has_the_old_one_again(played: World) -> None:
    assert {name: node.version() for name, node in played.nodes.items()} == {
        "small-0001": "1.1",
        "small-0002": "1.0",
        "small-0003": "1.1",
        "roomy-0004": "1.1",
    }


def test_only_who_had_no_room_gave_up_its_release(played: World) -> None:
    with played.site.db.read() as session:
        tried = repository.tried(session, "r1", list(Outcome))

    assert {m.device_id: a.vacated_at is not None for m, a in tried} == {
        "small-0001": True,
        "small-0002": True,
        "small-0003": True,
        "roomy-0004": False,
    }


def test_one_device_at_a_time_was_blind(played: World) -> None:
    with played.site.db.read() as session:
        tried = [a for _, a in repository.tried(session, "r1", list(Outcome)) if a.vacated_at]
    spans = sorted((a.vacated_at, a.ended_at) for a in tried)

    assert all(before[1] <= after[0] for before, after in pairwise(spans))
