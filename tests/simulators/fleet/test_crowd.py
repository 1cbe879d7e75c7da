"""A small crowd; the large ones are in tests/scenarios/test_rollouts_over_the_wire.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_shared.errors import Conflict
from surefoot_simulators.fleet.crowd import Crowd


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_devices_are_online_with_what_they_run_and_refusals_are_said(tmp_path: Path) -> None:
    crowd = Crowd(tmp_path, 3, {"1.0": 100})
    try:
        crowd.start()
        crowd.pump(lambda: len([d for d in devices(crowd) if d["online"]]) == 3, 30, "everybody to be online")

        with pytest.raises(Conflict, match="refused"):
            crowd.act("r9", "halt")
        assert crowd.state("r9") == ""
        assert {d["id"] for d in devices(crowd)} == {"sim-0000", "sim-0001", "sim-0002"}
    finally:
        crowd.stop()


def devices(crowd: Crowd) -> list[dict[str, object]]:
    body = crowd.ask("GET", "/devices").body
    assert isinstance(body, list)
    return body  # type: ignore[return-value]
