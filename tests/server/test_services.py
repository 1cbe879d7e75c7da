"""What serves operators hears of each other: news of the feed is sent, and the first server leads."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from surefoot_server import db
from surefoot_server.config import Settings
from surefoot_server.ground import lay_ground
from surefoot_server.line import lay_line
from surefoot_server.services import make_services


@pytest.mark.slow
def test_a_server_that_stands_alone_leads_and_knows_how_long_its_signatures_last(
    tmp_path: Path, keys_dir: Path
) -> None:
    with ExitStack() as parts:
        ground = lay_ground(Settings(data_dir=tmp_path / "data", keys_dir=keys_dir, mqtt_port=0), parts)
        services = make_services(ground, lay_line(ground, parts))
        parts.callback(services.leader.resign)

        assert services.leader.leads()
        assert len(services.streams) == 0
        assert services.alarms.problems(db.utc_now()) == []
        assert min(services.alarms.days_left(db.utc_now()).values()) > 0
