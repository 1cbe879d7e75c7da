"""The bench of the API's lists says the 95th of its answers, and asks every page for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from surefoot_simulators.bench import api
from surefoot_simulators.bench.api import Asked, figures


def test_the_figure_is_the_95th_of_a_hundred_answers() -> None:
    (figure,) = figures([Asked("devices", [float(n) for n in range(100, 0, -1)])])

    assert (figure.value, figure.unit, figure.reached) == (95.0, "ms", True)
    assert not figures([Asked("devices", [101.0] * 100)])[0].reached


@pytest.mark.slow
@pytest.mark.soak
def test_every_list_is_measured_from_its_first_to_its_last_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "DEVICES", 3000)
    monkeypatch.setattr(api, "ASKED", 6)
    said = list[str]()

    found = api.measure(tmp_path, said.append)

    assert [f.value > 0 for f in found] == [True] * len(api.LISTS)
    assert len(said) == len(api.LISTS) + 1
