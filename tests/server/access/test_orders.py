"""What somebody with a role in one city orders means that city: what a body names is looked at."""

from __future__ import annotations

import pytest
from httpx import Response
from sqlmodel import select

from surefoot_server.access.reach import reach_of
from surefoot_server.access.roles import Grant, Role, Scope
from surefoot_server.cohorts import service as cohorts
from surefoot_server.cohorts.models import Cohort
from surefoot_server.devices.models import Device, DeviceComponent, DeviceTag
from surefoot_server.drills.models import DrillSchedule
from surefoot_server.feedback.models import Flag
from tests.server.access.cities import HA, SG, client, signed_in
from tests.server.rig import NOW, Rig


def tags(rig: Rig, device: str) -> list[str]:
    with rig.db.read() as session:
        return sorted(session.exec(select(DeviceTag.tag).where(DeviceTag.device_id == device)))


def refused(answer: Response) -> bool:
    return (answer.status_code, answer.json()["kind"]) == (403, "not_allowed")


@pytest.mark.parametrize("expression", ["all", "tag('lab')", "tag('lab') or tag('sg')"])
def test_a_cohort_that_one_saves_means_ones_own_devices_for_ever(cities: Rig, expression: str) -> None:
    operator = client(cities, Role.OPERATOR, HA)

    made = operator.post("/api/v1/cohorts", json={"name": "mine", "expression": expression})
    with cities.db.write() as session:
        session.add(DeviceTag(device_id="sg-1", tag="mine"))

    assert (made.status_code, made.json()["devices"]) == (201, 1)
    assert made.json()["expression"] == f"(tag('ha')) and ({expression})"
    assert operator.get("/api/v1/cohorts/mine").json()["members"] == ["ha-1"]
    assert [row["name"] for row in operator.get("/api/v1/cohorts").json()] == ["hanoi", "mine"]
    assert refused(client(cities, Role.OPERATOR, SG).get("/api/v1/cohorts/mine"))
    assert refused(client(cities, Role.VIEWER, HA).post("/api/v1/cohorts", json={"name": "x", "expression": "all"}))


def test_a_cohort_that_an_administrator_wrote_is_seen_where_it_is_within_the_scope_alone(cities: Rig) -> None:
    with cities.db.write() as session:
        cohorts.create(session, "roofs", "tag('ha') and tag('roof')", "test", NOW)
        cohorts.create(session, "mixed", "(tag('ha')) and (tag('lab')) or tag('sg')", "test", NOW)

    found = client(cities, Role.VIEWER, HA).get("/api/v1/cohorts").json()

    assert [row["name"] for row in found] == ["hanoi", "roofs"]


def test_the_page_of_devices_saves_what_it_shows(cities: Rig) -> None:
    browser = signed_in(cities, Role.OPERATOR, HA)

    answer = browser.post("/cohorts", data={"name": "labs", "expression": "tag('lab')"})

    assert answer.status_code == 200
    with cities.db.read() as session:
        assert session.get_one(Cohort, "labs").expression == "(tag('ha')) and (tag('lab'))"


def test_tags_of_a_selection_change_on_ones_own_devices_alone(cities: Rig) -> None:
    operator = client(cities, Role.OPERATOR, HA)
    everybody = {"cohort": "tag('lab')", "add": ["seen"], "devices": 1}

    assert operator.get("/api/v1/selection").json()["devices"] == 1
    assert operator.post("/api/v1/selection/tags", json={**everybody, "devices": 2}).status_code == 409
    assert operator.post("/api/v1/selection/tags", json=everybody).json()["added"] == 1
    assert (tags(cities, "ha-1"), tags(cities, "sg-1")) == (["ha", "lab", "seen"], ["lab", "saigon-roof", "sg"])
    assert refused(client(cities, Role.VIEWER, HA).post("/api/v1/selection/tags", json=everybody))


def test_the_form_of_tags_changes_what_the_page_counted(cities: Rig) -> None:
    browser = signed_in(cities, Role.OPERATOR, HA)

    page = browser.get("/devices", params={"cohort": "tag('lab')"})
    answer = browser.post("/devices/tags", data={"cohort": "tag('lab')", "devices": "1", "add": "seen"})

    assert "saigon-roof" not in page.text
    assert answer.status_code == 200
    assert (tags(cities, "ha-1"), tags(cities, "sg-1")) == (["ha", "lab", "seen"], ["lab", "saigon-roof", "sg"])


def test_a_site_is_placed_by_who_has_all_of_its_devices(cities: Rig) -> None:
    cities.device("sg-2", tags=["sg"])
    with cities.db.write() as session:
        session.get_one(Device, "sg-2").attributes = {"site": "shared"}
        session.get_one(Device, "ha-1").attributes = {"site": "shared"}
    operator, place = client(cities, Role.OPERATOR, HA), {"latitude": 10, "longitude": 106, "devices": 1}

    shared, elsewhere, nowhere = (
        operator.put(f"/api/v1/sites/{s}", json=place) for s in ("shared", "saigon-port", "x")
    )
    form = signed_in(cities, Role.OPERATOR, HA).post("/map/place", data={"site": "saigon-port", **place})
    with cities.db.write() as session:
        session.get_one(Device, "sg-2").attributes = {}

    assert refused(shared)
    assert elsewhere.json()["message"].replace("saigon-port", "x") == nowhere.json()["message"]
    assert refused(elsewhere)
    assert form.status_code == 403
    assert operator.put("/api/v1/sites/shared", json=place).json() == {"devices": 1}


def test_a_drill_of_an_expression_is_of_ones_own_devices(cities: Rig) -> None:
    cities.device("aa-1", tags=["sg", "lab"])
    with cities.db.write() as session:
        for device in ("aa-1", "ha-1"):
            session.add(DeviceComponent(device_id=device, component="app", state="idle", updated_at=NOW))
    operator = client(cities, Role.OPERATOR, HA)

    drill = operator.post("/api/v1/drills", json={"component": "app", "cohort": "tag('lab')"})
    foreign = operator.post("/api/v1/drills", json={"component": "app", "cohort": "saigon"})

    assert drill.status_code == 409
    assert "(ha-1: it is not connected)" in drill.json()["message"]  # the first of those that were asked
    assert refused(foreign)


def test_a_schedule_stays_within_the_scope_and_is_stopped_there_alone(cities: Rig) -> None:
    operator, every = client(cities, Role.OPERATOR, HA), {"component": "app", "every_s": 3600}

    made = operator.post("/api/v1/drills/schedules", json={**every, "cohort": "tag('lab')"})
    foreign = operator.post("/api/v1/drills/schedules", json={**every, "cohort": "saigon"})
    stops = [operator.post(f"/api/v1/drills/schedules/{n}/stop") for n in (2, 99, 1, made.json()["id"])]

    assert (made.status_code, made.json()["cohort"]) == (201, "(tag('ha')) and (tag('lab'))")
    assert refused(foreign)
    assert [answer.status_code for answer in stops] == [403, 403, 200, 200]
    assert stops[0].text.replace("'2'", "'99'") == stops[1].text
    assert [row["id"] for row in operator.get("/api/v1/drills/schedules").json()] == [1, made.json()["id"]]
    assert [row["id"] for row in operator.get("/api/v1/drills").json()] == ["d3", "d1"]


def test_the_page_of_drills_schedules_and_stops_ones_own(cities: Rig) -> None:
    browser, form = signed_in(cities, Role.OPERATOR, HA), {"component": "app", "days": "7", "devices": "1"}

    answers = [browser.post("/drills/schedules", data={**form, "cohort": name}) for name in ("hanoi", "saigon")]
    stops = [browser.post(f"/drills/schedules/{n}/stop") for n in (1, 2)]
    run = browser.post("/drills", data={"component": "app", "cohort": "saigon"})

    assert [answer.status_code for answer in (*answers, *stops, run)] == [200, 403, 200, 403, 403]
    with cities.db.read() as session:
        made = session.exec(select(DrillSchedule.cohort).where(DrillSchedule.id > 2)).all()  # type: ignore[operator]
        assert made == ["hanoi"]


def test_a_flag_is_withdrawn_where_its_device_is_and_one_against_a_release_by_the_fleet(cities: Rig) -> None:
    with cities.db.write() as session:
        session.add(Flag(at=NOW, by="test", source="operator", device_id=None, release_id="app/1.0", reason="odd"))
    operator = client(cities, Role.OPERATOR, HA)

    answers = [operator.post(f"/api/v1/flags/{n}/withdraw") for n in (1, 2, 3, 9)]

    assert [answer.status_code for answer in answers] == [200, 403, 403, 403]
    assert client(cities, Role.OPERATOR).post("/api/v1/flags/3/withdraw").status_code == 200


def test_a_release_is_promoted_on_its_page_within_a_channel_of_ones_own(cities: Rig) -> None:
    cities.release("app/2.0", ["rpi5"])
    browser = signed_in(cities, Role.RELEASER, "channel:dev-hanoi")

    own = browser.post("/releases/app/2.0/promote", data={"channel": "dev-hanoi"})
    others = [
        browser.post(f"/releases/{release}/promote", data={"channel": channel})
        for release, channel in (("app/2.0", "dev-saigon"), ("eye/1.0", "dev-hanoi"), ("app/2.0", "nowhere"))
    ]

    assert own.status_code == 200
    assert [answer.status_code for answer in others] == [403] * 3
    cohort = signed_in(cities, Role.RELEASER, HA)
    assert cohort.post("/releases/app/1.0/promote", data={"channel": "dev-hanoi"}).status_code == 403


@pytest.mark.parametrize("path", ["/flag", "/advisory"])
def test_what_counts_against_a_release_everywhere_needs_the_role_over_the_fleet(cities: Rig, path: str) -> None:
    said = {"reason": "x", "do": "halt"}

    api = client(cities, Role.ADMIN, HA).post(f"/api/v1/releases/app/1.0{path}", json=said)
    form = signed_in(cities, Role.ADMIN, HA).post(f"/releases/app/1.0{path}", data=said)

    assert refused(api)
    assert form.status_code == 403


def test_a_role_in_two_cities_orders_over_both(cities: Rig) -> None:
    operator = client(cities, Role.OPERATOR, HA, SG)

    made = operator.post("/api/v1/cohorts", json={"name": "both", "expression": "tag('lab')"}).json()

    assert (made["devices"], made["expression"]) == (2, "((tag('ha')) or (tag('sg'))) and (tag('lab'))")
    assert operator.get("/api/v1/cohorts/both").json()["members"] == ["ha-1", "sg-1"]
    assert refused(client(cities, Role.OPERATOR, HA).get("/api/v1/cohorts/both"))


def test_the_scopes_of_a_channel_are_those_of_its_cohort(cities: Rig) -> None:
    with cities.db.read() as session:
        reach = reach_of(session, [Grant(Scope.parse("channel:dev-hanoi"), Role.ADMIN)])

    assert (reach.scopes, reach.drills, reach.schedules) == (("tag('ha')",), {"d1", "d3"}, {"1"})


def test_a_role_over_a_cohort_that_is_gone_orders_nothing(cities: Rig) -> None:
    operator = client(cities, Role.OPERATOR, "cohort:gone")

    assert refused(operator.post("/api/v1/cohorts", json={"name": "mine", "expression": "all"}))
    assert refused(operator.post("/api/v1/drills", json={"component": "app", "cohort": "tag('lab')"}))
    assert operator.post("/api/v1/selection/tags", json={"add": ["x"], "devices": 0}).json()["added"] == 0
