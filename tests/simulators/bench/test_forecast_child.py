"""The child says what it took, as one line of JSON."""

from __future__ import annotations

import json

import pytest

from surefoot_simulators.bench import forecast_child


def test_it_plays_every_device_and_says_what_that_took(capsys: pytest.CaptureFixture[str]) -> None:
    forecast_child.main(["40", "1"])

    told = json.loads(capsys.readouterr().out)
    assert told["events"] >= 2 * 38, "each device switches and ends, but for the few that fail or sleep"
    assert told["seconds"] > 0
    assert told["memory_mib"] > 10
