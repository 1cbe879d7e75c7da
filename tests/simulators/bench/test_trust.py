"""The figures of trust: all five are measured, and the bundle is one that a device takes."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from surefoot_shared.trust.bundle import Bundle, pack
from surefoot_simulators.bench import trust


def test_an_assignment_fits_one_kilobyte_and_both_repositories_eight() -> None:
    now = datetime.now(timezone.utc)
    made = trust.repositories(now)

    assert len(pack(Bundle(trust.DEVICE, made.assignment(1, now), {}))) <= trust.ASSIGNMENT_GOAL_BYTES
    whole = Bundle(trust.DEVICE, {"1.root.json": made.director_root, **made.assignment(1, now)}, made.image)
    assert len(pack(whole)) <= trust.WHOLE_GOAL_BYTES


@pytest.mark.slow
def test_every_figure_is_measured(tmp_path: Path) -> None:
    said: list[str] = []

    figures = trust.measure(tmp_path, said.append)

    assert [figure.unit for figure in figures] == ["B", "B", "ms", "ms", "MiB"]
    assert all(figure.value > 0 for figure in figures)
    assert said
