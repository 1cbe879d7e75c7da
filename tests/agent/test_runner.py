from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_shared.status import Outcome
from tests.agent.fakes import Device


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def test_an_assigned_release_is_installed_proved_and_committed(device: Device) -> None:
    agent = device.start_agent()
    device.assign(device.wish("1.1", "a-1"))

    device.play(agent, 1.0)
    device.run_until_idle(agent)

    assert device.server.outcomes() == [("a-1", Outcome.COMMITTED, None)]
    assert device.running_version() == device.linked_version() == "1.1"
