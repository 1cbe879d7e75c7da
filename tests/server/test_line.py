"""Broker, gateway and what comes in and goes out are wired to each other; how they stand is told."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from surefoot_server.config import Settings
from surefoot_server.ground import lay_ground
from surefoot_server.housekeeping import Housekeeping
from surefoot_server.line import lay_line
from surefoot_server.services import make_services
from surefoot_server.standing import Standing


@pytest.mark.slow
def test_the_line_is_up_between_its_start_and_its_end_and_says_how_it_stands(tmp_path: Path, keys_dir: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", keys_dir=keys_dir, mqtt_port=0, broadcast_rate_bytes_per_s=1000)
    with ExitStack() as parts:
        ground = lay_ground(settings, parts)
        line = lay_line(ground, parts)
        services = make_services(ground, line)
        parts.callback(services.leader.resign)
        housekeeping = Housekeeping(ground, line, services)
        standing = Standing(ground, line, services, housekeeping.clock())

        before = standing.problems()
        with ExitStack() as running:
            line.start(running)
            connected = line.gateway.wait_connected(15)
            housekeeping.note_audit()
            housekeeping.keep_out()
            during, figures = standing.problems(), standing.counters()
        after = standing.counters()

    assert "not connected" in before[0]
    assert connected
    assert not any(during)
    assert (figures["broker_connected"], figures["scheduler_leader"]) == (1.0, 1.0)
    assert after["broker_connected"] == 0.0
    assert ground.checkpoints.newest() is not None
