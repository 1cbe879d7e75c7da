"""The halt is measured from the request to the last device."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_simulators.bench import halt


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_a_halt_of_a_few_devices_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halt, "DEVICES", 5)
    said: list[str] = []

    (figure,) = halt.measure(tmp_path, said.append)

    assert 0 < figure.value < 30
    assert said[-1].endswith("and stopped")
