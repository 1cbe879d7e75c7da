"""Reading samples, and letting old ones go."""

from __future__ import annotations

import pytest
from sqlmodel import select

from surefoot_server.telemetry import repository, service
from surefoot_server.telemetry.models import TelemetrySample
from surefoot_shared.messages import Sample, TelemetryBatch
from tests.server.rig import Rig, digest, later


@pytest.fixture(autouse=True)
def stored(rig: Rig) -> None:
    for device in ("cam-1", "cam-2"):
        rig.device(device)
        for number, (release, age_s) in enumerate((("app/1.0", 7200), ("app/1.1", 60)), start=1):
            at = later(-age_s)
            samples = tuple(
                Sample(at.isoformat(), name, float(number), "app", digest(release)) for name in ("fps", "age")
            )
            with rig.db.write() as session:
                service.ingest(session, device, [TelemetryBatch(device, "s1", number, 0, samples)], at)


@pytest.mark.parametrize(
    ("cut", "count"),
    [
        ({}, 8),
        ({"device_ids": ["cam-1"]}, 4),
        ({"name": "fps"}, 4),
        ({"digest": digest("app/1.1")}, 4),
        ({"device_ids": ["cam-2"], "name": "age", "digest": digest("app/1.0")}, 1),
        ({"since": later(-3600)}, 4),
        ({"limit": 3}, 3),
        ({"device_ids": ["ghost"]}, 0),
    ],
)
def test_samples_are_cut_by_device_metric_release_and_time(rig: Rig, cut: dict[str, object], count: int) -> None:
    with rig.db.read() as session:
        rows = repository.samples(session, **cut)  # type: ignore[arg-type]

    assert len(rows) == count
    assert [row.at for row in rows] == sorted((row.at for row in rows), reverse=True)


def test_old_values_go_and_new_ones_and_the_latest_stay(rig: Rig) -> None:
    with rig.db.write() as session:
        assert repository.delete_older(session, later(-3600)) is None

    with rig.db.read() as session:
        assert [row.value for row in session.exec(select(TelemetrySample))] == [2.0] * 4
        assert {point.value for point in repository.latest(session)} == {2.0}
        assert len(repository.latest(session)) == 4


def test_a_sweep_is_bounded_so_that_messages_are_not_kept_waiting(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "DELETE_SERIES", 3)
    steps: list[int] = []

    after: int | None = 0
    while after is not None:
        steps.append(after)
        with rig.db.write() as session:
            after = repository.delete_older(session, later(-3600), after)

    assert len(steps) == 3
    with rig.db.read() as session:
        assert len(session.exec(select(TelemetrySample)).all()) == 4
