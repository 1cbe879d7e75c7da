"""Broker, gateway and what comes in and goes out are wired to each other, and end with their stack."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from surefoot_server.config import Settings
from surefoot_server.ground import lay_ground
from surefoot_server.line import lay_line


@pytest.mark.slow
def test_the_line_is_up_between_its_start_and_the_end_of_its_stack(tmp_path: Path, keys_dir: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", keys_dir=keys_dir, mqtt_port=0, broadcast_rate_bytes_per_s=0)
    with ExitStack() as parts:
        line = lay_line(lay_ground(settings, parts), parts)

        before = line.gateway.stats().connected
        with ExitStack() as running:
            line.start(running)
            connected = line.gateway.wait_connected(15)
        after = line.gateway.stats().connected

    assert (before, connected, after) == (False, True, False)
    assert line.broadcast.chunk_bytes == 0, "nothing is broadcast where no rate is set"
