"""The page of drills: what was measured, what is due, and who may run one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import select

from surefoot_server.access.roles import Role
from surefoot_server.console.pages.drills import recovery_s
from surefoot_server.drills import api as drills
from surefoot_server.drills.models import Drill, DrillDevice, DrillSchedule
from tests.server.console.browser import browser
from tests.server.drills.test_service import Lab
from tests.server.rig import NOW, Rig
from tests.server.rollouts.fleet import Fleet


@pytest.fixture
def fleet(rig: Rig) -> Rig:
    rig.device("cam-1", tags=["lab"])
    rig.device("cam-2", tags=["lab"])
    rig.release("app/1.0")
    with rig.db.write() as session:
        session.add(
            Drill(
                id="d1",
                number=1,
                component="app",
                cohort="tag('lab')",
                limit_s=3600,
                state="failed",
                reason="1 of 2 did not go back",
                started_at=NOW,
                started_by="anna",
                ended_at=NOW + timedelta(minutes=2),
            )
        )
        session.flush()
        for name, step, took in (("cam-1", "done", 12.5), ("cam-2", "failed", None)):
            session.add(DrillDevice(drill_id="d1", device_id=name, step=step, revert_s=took))
    return rig


def test_the_page_tells_results_and_how_long_it_took(fleet: Rig) -> None:
    text = browser(fleet).get("/drills").text

    assert "1 of 2 did not go back" in text
    assert "12.5 s" in text
    assert "back in 12 s" in text


def test_the_middle_device_stands_for_the_drill(fleet: Rig) -> None:
    with fleet.db.read() as session:
        (drill,) = drills.newest(session)

    assert recovery_s(drill) == 12.5
    assert recovery_s(drill.model_copy(update={"devices": []})) is None


def test_an_operator_schedules_a_drill_and_stops_it(fleet: Rig) -> None:
    page = browser(fleet, Role.OPERATOR)
    assert "2 devices belong" in page.get("/drills").text

    page.post("/drills/schedules", data={"component": "app", "days": 7, "devices": 2})
    with fleet.db.read() as session:
        row = session.exec(select(DrillSchedule)).one()
    assert row.every_s == 7 * 86_400
    assert "every 7 d" in page.get("/drills").text
    page.post(f"/drills/schedules/{row.id}/stop")

    assert "every 7 d" not in page.get("/drills").text


def test_a_drill_begins_only_once_the_number_of_its_devices_was_read(rig: Rig) -> None:
    lab = Lab(Fleet(rig))
    page, wish = browser(rig, Role.OPERATOR), {"component": "app", "cohort": "all"}
    able, more = len(lab.names), len(rig.client().get("/api/v1/devices").json()) - len(lab.names)

    asked = page.post("/drills", data=wish).text
    stale = page.post("/drills", data={**wish, "devices": able - 1}).text

    for text in (asked, stale):
        assert f"{able} devices go back to the release before now" in text
        assert f"{more} more cannot take part" in text
        assert f"Run the drill on {able} devices" in text
    assert drills_of(rig) == []
    page.post("/drills", data={**wish, "devices": able})
    assert drills_of(rig) == ["all"]


def drills_of(rig: Rig) -> list[str]:
    with rig.db.read() as session:
        return [row.cohort for row in session.exec(select(Drill))]


def test_a_schedule_asks_with_the_number_of_devices_too(fleet: Rig) -> None:
    text = browser(fleet, Role.OPERATOR).post("/drills/schedules", data={"component": "app", "days": 7}).text

    assert "that would be 2 devices now" in text
    with fleet.db.read() as session:
        assert session.exec(select(DrillSchedule)).all() == []


def test_a_drill_that_nobody_can_take_part_in_is_refused_on_a_page(fleet: Rig) -> None:
    answer = browser(fleet, Role.OPERATOR).post("/drills", data={"component": "app"})

    assert answer.status_code == 409
    assert "No device can take part" in answer.text


@pytest.mark.parametrize("act", ["", "/schedules", "/schedules/1/stop"])
def test_a_viewer_and_another_site_may_do_none_of_it(fleet: Rig, act: str) -> None:
    data, elsewhere = {"component": "app"}, {"Sec-Fetch-Site": "cross-site"}

    assert browser(fleet).post(f"/drills{act}", data=data).status_code == 403
    assert browser(fleet, Role.ADMIN).post(f"/drills{act}", data=data, headers=elsewhere).status_code == 403


def test_without_drills_the_page_names_the_command(rig: Rig) -> None:
    assert "surefoot drill run" in browser(rig).get("/drills").text
