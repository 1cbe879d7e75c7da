"""A batch has one row."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from surefoot_server.telemetry.models import TelemetryBatchRow
from tests.server.rig import NOW, Rig


def test_a_batch_number_is_stored_once(rig: Rig) -> None:
    rig.device("cam-1")

    def store() -> None:
        with rig.db.write() as session:
            session.add(TelemetryBatchRow(device_id="cam-1", stream="s", batch=1, samples=0, received_at=NOW))

    store()
    with pytest.raises(IntegrityError):
        store()
