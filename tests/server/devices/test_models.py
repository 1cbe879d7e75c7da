"""Rows of devices keep what they were given."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from surefoot_server.devices.models import Assignment, DeviceComponent, DeviceEvent
from tests.server.rig import NOW, Rig, later


def test_json_columns_and_times_come_back_as_they_went_in(rig: Rig) -> None:
    rig.device("cam-1")
    row = rig.assign("cam-1", rig.release("app/1.1"))
    with rig.db.write() as session:
        stored = session.get(Assignment, row.id)
        assert stored is not None
        stored.report = {"check": "camera", "measured": {"fps": 1.5}}
        stored.ended_at = later(1.25)

    after = rig.read(row)

    assert after.report == {"check": "camera", "measured": {"fps": 1.5}}
    assert (after.ended_at, after.proof) == (later(1.25), None)


def test_an_event_number_exists_once_in_a_stream(rig: Rig) -> None:
    rig.device("cam-1")

    def store() -> None:
        with rig.db.write() as session:
            session.add(DeviceEvent(device_id="cam-1", stream="s", seq=1, at="", received_at=NOW, kind="progress"))

    store()
    with pytest.raises(IntegrityError):
        store()


def test_a_component_belongs_to_a_known_device(rig: Rig) -> None:
    with pytest.raises(IntegrityError), rig.db.write() as session:
        session.add(DeviceComponent(device_id="nobody", component="app", updated_at=NOW))
