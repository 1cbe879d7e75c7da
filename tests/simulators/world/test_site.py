"""The server of a world: real services in virtual time, whose timers know the looks that were left out."""

from __future__ import annotations

from contextlib import closing

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import select

from surefoot_server.rollouts.models import Outage
from surefoot_simulators.world.run import set_going
from surefoot_simulators.world.world import World
from tests.simulators.world.conftest import small

pytestmark = pytest.mark.slow


def test_looks_that_were_left_out_are_no_outage_and_a_broker_that_was_away_is_one(played: World) -> None:
    with played.site.db.read() as session:
        outages = session.exec(select(Outage)).all()

    assert played.site.looks < 400
    assert len(outages) <= 1


def test_the_fleet_is_connected_as_the_server_sees_it(played: World) -> None:
    assert played.site.online_devices() == len(played.nodes)


def test_a_locked_database_takes_no_write_and_is_as_before_afterwards(played: World) -> None:
    played.site.lock(True)
    with pytest.raises(OperationalError, match="locked"), played.site.db.write():
        pass
    played.site.lock(False)

    with played.site.db.write() as session:
        assert session is not None


def test_a_database_that_is_let_go_while_the_server_is_down_leaves_it_looking_afterwards() -> None:
    world = World(small(), 3)
    with closing(world):
        set_going(world)
        world.queue.run(60.0)
        world.site.stop()
        world.site.lock(True)
        world.site.lock(False)
        world.queue.run(120.0)
        world.site.start()
        looks = world.site.looks

        world.queue.run(180.0)

        assert world.site.looks > looks
