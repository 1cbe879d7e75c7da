"""What is old goes, and what the settings keep stays."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import select

from surefoot_server import housekeeping
from surefoot_server.telemetry import service
from surefoot_server.telemetry.models import TelemetrySample
from surefoot_shared.messages import Sample, TelemetryBatch
from tests.server.rig import NOW, Rig, digest


def test_samples_stay_as_long_as_the_settings_say(rig: Rig) -> None:
    rig.device("cam-1")
    kept = timedelta(hours=rig.state.settings.telemetry_keep_h)
    for number, age in enumerate((kept + timedelta(minutes=1), kept - timedelta(minutes=1)), 1):
        at = NOW - age
        samples = (Sample(at.isoformat(), "fps", float(number), "app", digest("app/1.0")),)
        with rig.db.write() as session:
            service.ingest(session, "cam-1", [TelemetryBatch("cam-1", "s1", number, 0, samples)], at)

    housekeeping.retire(rig.db, rig.state.settings, NOW)

    with rig.db.read() as session:
        assert [row.value for row in session.exec(select(TelemetrySample))] == [2.0]
