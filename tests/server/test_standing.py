"""What does not work is told in one sentence each, and figures have their values from the parts themselves."""

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
def test_a_line_that_is_not_up_is_a_problem_and_one_that_is_up_is_none(tmp_path: Path, keys_dir: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", keys_dir=keys_dir, mqtt_port=0, broadcast_rate_bytes_per_s=1000)
    with ExitStack() as parts:
        ground = lay_ground(settings, parts)
        line = lay_line(ground, parts)
        services = make_services(ground, line)
        parts.callback(services.leader.resign)
        standing = Standing(ground, line, services, Housekeeping(ground, line, services).clock())

        before = standing.problems()
        with ExitStack() as running:
            line.start(running)
            line.gateway.wait_connected(15)
            during, figures = standing.problems(), standing.counters()
        after = standing.counters()

    assert "not connected" in before[0]
    assert not any(during)
    assert (figures["broker_connected"], figures["scheduler_leader"]) == (1.0, 1.0)
    assert after["broker_connected"] == 0.0
