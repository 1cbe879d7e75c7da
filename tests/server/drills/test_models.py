"""Rows of drills."""

from __future__ import annotations

from surefoot_server.drills.models import Drill, DrillDevice, DrillSchedule


def test_no_time_is_known_before_it_was_measured() -> None:
    assert DrillDevice.model_fields["revert_s"].default is None
    assert DrillDevice.model_fields["apply_s"].default is None
    assert Drill.model_fields["ended_at"].default is None
    assert DrillSchedule.model_fields["stopped_at"].default is None
