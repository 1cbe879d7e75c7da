"""A value and its series have one row each."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from surefoot_server.telemetry.models import TelemetrySeries
from tests.server.rig import Rig


def test_a_series_is_there_once(rig: Rig) -> None:
    rig.device("cam-1")

    def store() -> None:
        with rig.db.write() as session:
            session.add(TelemetrySeries(device_id="cam-1", name="camera_fps"))

    store()
    with pytest.raises(IntegrityError):
        store()
