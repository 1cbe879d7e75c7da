"""Curves of a recording: exact at each sample, and together always the whole fleet."""

from __future__ import annotations

from dataclasses import replace

from surefoot_shared.status import AttemptState, SlotName
from surefoot_simulators.world import series
from surefoot_simulators.world.recording import Point, RecordedDevice
from tests.simulators.world.test_recording import RECORDING

A = AttemptState
FLEET = tuple(RecordedDevice(f"cam-{n}", "rpi5", "hanoi", "1.9") for n in range(3))
POINTS = (
    Point(0.0, "cam-0", A.DOWNLOADING, "1.9", SlotName.A, True),
    Point(60.0, "cam-0", A.PROBATION, "1.10", SlotName.B, True),
    Point(60.0, "cam-1", A.IDLE, None, None, False),
    Point(119.0, "cam-1", A.IDLE, "1.9", SlotName.A, True),
)
RUN = replace(RECORDING, devices=FLEET, points=POINTS, seconds=120.0)


def at(curves: series.Curves, moment: float) -> dict[str, int]:
    index = max(n for n, t in enumerate(curves.at) if t <= moment)
    return {name: counts[index] for name, counts in curves.counts.items() if counts[index]}


def test_versions_are_counted_from_the_first_moment_to_the_last() -> None:
    found = series.by_version(RUN)

    assert at(found, 30.0) == {"1.9": 3}
    assert at(found, 61.0) == {"1.9": 1, "1.10": 1, series.NOTHING: 1}
    assert at(found, 120.0) == {"1.9": 2, "1.10": 1}
    assert list(found.counts) == ["1.9", "1.10", series.NOTHING], "in the order of versions, nothing at the end"


def test_states_are_counted_and_who_has_no_connection_is_offline() -> None:
    found = series.by_state(RUN)

    assert at(found, 30.0) == {"idle": 2, "fetching": 1}
    assert at(found, 61.0) == {"idle": 1, "probation": 1, "offline": 1}


def test_every_sample_adds_up_to_the_fleet() -> None:
    for found in (series.by_version(RUN), series.by_state(RUN)):
        assert {sum(row) for row in zip(*found.counts.values(), strict=True)} == {3}
        assert found.most == 3
        assert (found.at[0], found.at[-1]) == (0.0, 120.0)


def test_every_state_of_an_attempt_is_in_one_band_of_the_picture() -> None:
    assert set(series.STANDS) == set(AttemptState)
    assert set(series.STANDS.values()) | {series.OFFLINE} == set(series.ORDER)
