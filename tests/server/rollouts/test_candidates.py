"""What is read of each device of a cohort before a plan is made."""

from __future__ import annotations

from surefoot_server.rollouts.candidates import candidates
from tests.server.rig import digest
from tests.server.rollouts.fleet import Fleet


def test_site_zone_and_the_lab_tag_are_read(fleet: Fleet) -> None:
    fleet.rig.device("cam-99", "rpi5", tags=["lab", "roof"])

    with fleet.rig.db.read() as session:
        found = {c.device: c for c in candidates(session, ["cam-01", "cam-99"], "app", [None])}

    assert set(found) == {"cam-01", "cam-99"}
    assert (found["cam-99"].site, found["cam-99"].zone, found["cam-99"].lab) == ("hanoi", "", True)
    assert not found["cam-01"].lab
    assert found["cam-01"].running == digest("app/1.0")
    assert found["cam-99"].running is None


def test_phases_that_select_a_device_are_named_by_their_index(fleet: Fleet) -> None:
    with fleet.rig.db.read() as session:
        found = candidates(session, ["cam-01"], "app", [None, {"cam-01"}, {"cam-02"}])

    assert found[0].selected == {1}
