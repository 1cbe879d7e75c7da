"""A role in one cohort or channel opens nothing of another: not by name, not in a list, not by ordering it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from httpx import Response
from sqlmodel import select

from surefoot_server.access import service as access
from surefoot_server.access.reach import Over, covers, reach_of
from surefoot_server.access.roles import Grant, Role, Scope
from surefoot_server.app import create_app
from surefoot_server.audit import service as audit
from surefoot_server.channels import repository
from surefoot_server.channels import service as channels
from surefoot_server.devices.models import Assignment
from surefoot_server.feedback.models import Flag
from surefoot_server.rollouts.models import Rollout, RolloutMember
from tests.server.access.cities import FOREIGN, HA, SG, build, client, signed_in
from tests.server.access.test_guard import routes
from tests.server.events.test_api import events, serving
from tests.server.rig import NOW, Rig


def gets(rig: Rig) -> Iterator[tuple[str, Over]]:
    for method, path, permission in routes(create_app(rig.state)):
        if method == "GET" and permission is not None and permission.role is Role.VIEWER:
            yield path, permission.over


def filled(path: str, own: bool) -> str:
    place = {
        "device_id": "ha-1" if own else "sg-1",
        "rollout_id": "r1" if own else "r2",
        "component": "app" if own else "eye",
        "version": "1.0",
        "request_id": "none",
        "drill_id": "d1" if own else "d2",
        "schedule_id": "1" if own else "2",
        "kind": "sbom",
        "verdict_id": "1",
    }
    if "channels" in path:
        place["name"] = "dev-hanoi" if own else "dev-saigon"
    elif "cohorts" in path:
        place["name"] = "hanoi" if own else "saigon"
    for name, value in place.items():
        path = path.replace("{" + name + "}", value)
    return path


def test_nothing_of_another_city_is_in_any_answer(cities: Rig) -> None:
    viewer, browser, seen = client(cities, Role.VIEWER, HA), signed_in(cities, Role.VIEWER, HA), 0

    for path, over in gets(cities):
        if path.endswith(("openapi.json", "/events", "/live")):  # the streams have a test of their own
            continue
        refused = over not in (Over.ANYWHERE, Over.ORDER)
        answer = (viewer if path.startswith("/api") else browser).get(filled(path, own=False))
        assert (answer.status_code == 403) is refused, path
        if not refused:
            seen += 1
            assert [word for word in FOREIGN if word in answer.text] == [], path
    assert seen >= 20


def test_everything_of_ones_own_is_seen(cities: Rig) -> None:
    viewer = client(cities, Role.VIEWER, HA)

    assert [d["id"] for d in viewer.get("/api/v1/devices").json()] == ["ha-1"]
    assert viewer.get("/api/v1/devices/ha-1").status_code == 200
    assert viewer.get("/api/v1/devices/ha-1/why").status_code == 200
    assert [r["id"] for r in viewer.get("/api/v1/rollouts").json()] == ["r1"]
    assert viewer.get("/api/v1/rollouts/r1/members").json()[0]["device"] == "ha-1"
    assert [r["id"] for r in viewer.get("/api/v1/releases").json()] == ["app/1.0"]
    assert [c["name"] for c in viewer.get("/api/v1/cohorts").json()] == ["hanoi"]
    assert [f["device"] for f in viewer.get("/api/v1/flags").json()] == ["ha-1"]
    assert viewer.get("/api/v1/channels").json() == []


def test_what_was_closed_to_scopes_shows_ones_own(cities: Rig) -> None:
    viewer = client(cities, Role.VIEWER, HA)

    assert [site["name"] for site in viewer.get("/api/v1/sites").json()] == ["hanoi-west"]
    assert [row["id"] for row in viewer.get("/api/v1/drills").json()] == ["d3", "d1"]
    assert [row["id"] for row in viewer.get("/api/v1/drills/schedules").json()] == [1]
    assert [p["device"] for p in viewer.get("/api/v1/telemetry/latest").json()] == ["ha-1"]
    assert viewer.get("/api/v1/telemetry/latest?device=sg-1").status_code == 403
    assert [(e["example_device"], e["devices"]) for e in viewer.get("/api/v1/telemetry/errors").json()] == [("ha-1", 1)]
    assert viewer.get("/api/v1/telemetry/errors?release=eye/1.0").json() == []
    assert viewer.get("/api/v1/selection").json()["devices"] == 1
    assert viewer.get("/api/v1/releases/app/1.0/findings").json()["release"] == "app/1.0"


def test_errors_of_both_cities_are_counted_for_the_fleet_alone(cities: Rig) -> None:
    with cities.db.write() as session:
        for row in session.exec(select(Assignment)):
            row.release_id = "app/1.0"

    counts = [client(cities, Role.VIEWER, *scopes).get("/api/v1/telemetry/errors").json() for scopes in ((HA,), ())]

    assert [[(group["devices"], group["release"]) for group in each] for each in counts] == [
        [(1, "app/1.0")],
        [(2, "app/1.0")],
    ]


def test_the_audit_trail_of_a_scope_is_about_its_own_things_page_by_page_and_in_the_export(cities: Rig) -> None:
    viewer = client(cities, Role.VIEWER, HA)

    def told(answer: Response) -> list[str]:
        return [row["object"] for row in answer.json()]

    whole = told(viewer.get("/api/v1/audit"))
    first = viewer.get("/api/v1/audit?limit=2")
    second = viewer.get("/api/v1/audit", params={"limit": 2, "cursor": first.headers["Next-Cursor"]})
    lines = [json.loads(line)["object"] for line in viewer.get("/api/v1/audit/export").text.splitlines()]

    assert set(whole) >= {"device:ha-1", "cohort:hanoi", "drill:d1", "drill:d3"}
    assert {name.partition(":")[0] for name in whole} <= {"device", "cohort", "drill", "rollout"}
    assert told(first) + told(second) == whole[:4]
    assert lines == whole[::-1]
    assert viewer.get("/api/v1/audit?object=device:sg-1").json() == []
    assert "channel:dev-hanoi" in told(client(cities, Role.VIEWER, "channel:dev-hanoi").get("/api/v1/audit"))
    assert [viewer.get(f"/api/v1/audit/{p}").status_code for p in ("verify", "checkpoints")] == [403, 405]


def test_whether_a_release_is_ready_is_asked_of_the_whole_fleet(cities: Rig) -> None:
    with cities.db.write() as session:
        channels.create(session, "prod-saigon", "dev-hanoi", "saigon", "", "", "test", NOW)
    releaser = client(cities, Role.RELEASER, "channel:prod-saigon")

    assert [row["name"] for row in releaser.get("/api/v1/channels").json()] == ["prod-saigon"]
    answer = releaser.get("/api/v1/channels/prod-saigon/ready", params={"release": "app/1.0"})
    page = signed_in(cities, Role.RELEASER, "channel:prod-saigon").get("/releases/app/1.0")

    assert (answer.status_code, page.status_code) == (200, 200)
    assert [row["met"] for row in answer.json()][:2] == [True, True]  # nothing against it, and in the channel before
    assert releaser.get("/api/v1/channels/prod-saigon/ready", params={"release": "none/1"}).status_code == 403


def test_a_channels_scope_reaches_the_channel_and_its_cohort(cities: Rig) -> None:
    releaser = client(cities, Role.RELEASER, "channel:dev-hanoi")

    assert [c["name"] for c in releaser.get("/api/v1/channels").json()] == ["dev-hanoi"]
    assert [d["id"] for d in releaser.get("/api/v1/devices").json()] == ["ha-1"]
    note = {"release": "app/1.0", "test": "smoke"}
    assert releaser.post("/api/v1/channels/dev-hanoi/note", json=note).status_code == 201
    assert releaser.post("/api/v1/channels/dev-saigon/note", json=note).status_code == 403
    assert releaser.post("/api/v1/channels/dev-hanoi/promote", json={"release": "eye/1.0"}).status_code == 403


def test_what_a_channels_policy_adds_to_a_release_is_started_within_ones_own_alone(cities: Rig) -> None:
    releaser = client(cities, Role.RELEASER, "channel:dev-hanoi")
    with cities.db.write() as session:
        repository.channel(session, "dev-hanoi").policy = "rollout: {release: app/1.0, also: [eye/1.0]}"

    started = releaser.post("/api/v1/channels/dev-hanoi/promote", json={"release": "app/1.0", "start": True})
    alone = releaser.post("/api/v1/channels/dev-hanoi/promote", json={"release": "app/1.0"})

    assert (started.status_code, alone.status_code) == (403, 409)  # it is in the channel already


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/api/v1/devices/sg-1/tags", {"tags": ["ha"]}),
        ("POST", "/api/v1/devices/sg-1/revoke", {}),
        ("POST", "/api/v1/devices/sg-1/flag", {"reason": "x"}),
        ("POST", "/api/v1/devices/sg-1/requests", {"kind": "logs"}),
        ("POST", "/api/v1/devices/ha-1/sets", {"releases": ["eye/1.0"]}),
        ("POST", "/api/v1/rollouts/r2/halt", {}),
        ("POST", "/api/v1/rollouts/r2/approve", {}),
        ("POST", "/api/v1/rollouts", {"release": "app/1.0", "cohort": "saigon"}),
        ("POST", "/api/v1/rollouts", {"release": "app/1.0", "cohort": "all"}),
        ("POST", "/api/v1/rollouts", {"release": "app/1.0", "policy": "rollout: {cohort: all}"}),
        ("POST", "/api/v1/rollouts", {"release": "eye/1.0", "cohort": "hanoi"}),
        ("POST", "/api/v1/rollouts/plan", {"release": "app/1.0", "cohort": "all"}),
        ("POST", "/api/v1/enrol-tokens", {}),
        ("POST", "/api/v1/users", {"name": "eve"}),
        ("POST", "/api/v1/tokens", {"name": "eve", "role": "admin"}),
    ],
)
def test_an_administrator_of_one_city_does_nothing_to_another(
    cities: Rig, method: str, path: str, body: dict[str, object]
) -> None:
    answer = client(cities, Role.ADMIN, HA).request(method, path, json=body)

    assert (answer.status_code, answer.json()["kind"]) == (403, "not_allowed")


def test_what_does_not_exist_is_refused_in_the_same_words_as_what_is_elsewhere(cities: Rig) -> None:
    viewer = client(cities, Role.VIEWER, HA)

    elsewhere, nowhere = (viewer.get(f"/api/v1/devices/{name}") for name in ("sg-1", "xx-1"))

    assert elsewhere.status_code == nowhere.status_code == 403
    assert elsewhere.text.replace("sg-1", "xx-1") == nowhere.text


def test_a_lower_role_in_the_same_city_is_not_enough(cities: Rig) -> None:
    viewer = client(cities, Role.VIEWER, HA)

    assert viewer.post("/api/v1/devices/ha-1/acknowledge").status_code == 403
    assert client(cities, Role.OPERATOR, HA).post("/api/v1/devices/ha-1/acknowledge").status_code == 200


def test_requests_of_two_people_are_narrowed_each_by_their_own(cities: Rig) -> None:
    ha, sg, all_of_it = (
        client(cities, Role.VIEWER, HA),
        client(cities, Role.VIEWER, SG),
        client(cities, Role.VIEWER),
    )

    for _ in range(2):
        assert [d["id"] for d in ha.get("/api/v1/devices").json()] == ["ha-1"]
        assert [d["id"] for d in sg.get("/api/v1/devices").json()] == ["sg-1"]
        assert len(all_of_it.get("/api/v1/devices").json()) == 2


def test_a_rollout_with_one_device_elsewhere_is_out_of_reach(cities: Rig) -> None:
    with cities.db.write() as session:
        row = session.get(Rollout, "r1")
        assert row is not None
        row.cohort = "all"
        session.add(row)
        session.add(RolloutMember(rollout_id="r1", device_id="sg-1", hw="rpi5", reason="", standing="member", phase=0))

    assert client(cities, Role.ADMIN, HA).get("/api/v1/rollouts/r1").status_code == 403


def test_a_cohort_that_is_gone_reaches_nobody(cities: Rig) -> None:
    with cities.db.read() as session:
        reach = reach_of(session, [Grant(Scope.parse("cohort:gone"), Role.ADMIN)])

        assert (reach.devices, reach.channels) == (frozenset(), frozenset())
        assert not covers(session, reach, "all")


def test_the_console_shows_ones_own_alone(cities: Rig) -> None:
    browser = cities.client(None)
    with cities.db.write() as session:
        _, text = access.create_token(session, "browser", Role.VIEWER, "test", NOW, scopes=[Scope.parse(HA)])
    browser.post("/sign-in", data={"token": text})

    pages = {path: browser.get(path) for path in ("/", "/devices", "/rollouts", "/devices/ha-1", "/rollouts/r1")}

    assert {path: page.status_code for path, page in pages.items()} == dict.fromkeys(pages, 200)
    assert "ha-1" in pages["/devices"].text
    assert [(p, word) for p, page in pages.items() for word in FOREIGN if word in page.text] == []
    assert [browser.get(path).status_code for path in ("/devices/sg-1", "/rollouts/r2")] == [403, 403]


def test_a_stream_tells_of_ones_own_alone(cities: Rig) -> None:
    with cities.db.write() as session:
        for device in ("sg-1", "ha-1", "sg-1"):
            cities.devices.acknowledge(session, device, "test", NOW)
            audit.record(session, "test", "device.tags", f"device:{device}", {"tags": []}, NOW)
        audit.record(session, "test", "device.tags", "device:ha-1", {"tags": ["last"]}, NOW)
    token = client(cities, Role.VIEWER, HA).headers["Authorization"]
    told = cities.state.streams.feed.after(0)
    own = [row.id for row in told if row.device_id == "ha-1" or row.rollout_id == "r1"]
    with serving(cities) as (http, _, _):
        http.headers["Authorization"] = token
        with http.stream("GET", "/api/v1/events", params={"after": 0}) as answer:
            found = events(answer.iter_lines(), len(own))

    assert 0 < len(own) < len(told)
    assert [int(event["id"]) for event in found] == own


def test_the_wizard_of_one_city_orders_there_and_nowhere_else(cities: Rig) -> None:
    browser = signed_in(cities, Role.OPERATOR, HA)
    own, foreign = {"release": "app/1.0", "cohort": "hanoi"}, {"release": "eye/1.0", "cohort": "saigon"}

    form = browser.get("/rollouts/new")
    previews = [browser.post("/rollouts/new", data=data) for data in (own, foreign, {**own, "cohort": "all"})]
    starts = [browser.post("/rollouts", data=data) for data in (foreign, {**own, "cohort": "all"})]

    assert form.status_code == 200
    assert [word for word in FOREIGN if word in form.text] == []
    assert [answer.status_code for answer in previews] == [200, 403, 403]
    assert "would go to" in previews[0].text
    assert [answer.status_code for answer in starts] == [403, 403]
    assert signed_in(cities, Role.VIEWER, HA).get("/rollouts/new").status_code == 403


def test_a_flag_is_withdrawn_by_who_has_the_device_and_on_its_own_page(cities: Rig) -> None:
    browser = signed_in(cities, Role.OPERATOR, HA)

    answers = [browser.post(f"/devices/{path}/withdraw") for path in ("sg-1/flags/2", "ha-1/flags/2", "ha-1/flags/1")]

    assert [answer.status_code for answer in answers] == [403, 404, 200]
    with cities.db.read() as session:
        assert [session.get_one(Flag, n).withdrawn_at is None for n in (1, 2)] == [False, True]


def test_every_route_about_one_thing_names_it_in_its_path(cities: Rig) -> None:
    names = {
        Over.DEVICE: "{device_id}",
        Over.ROLLOUT: "{rollout_id}",
        Over.RELEASE: "{component}/{version}",
        Over.COHORT: "/cohorts/{name}",
        Over.CHANNEL: "/channels/{name}",
        Over.DRILL: "{drill_id}",
        Over.SCHEDULE: "{schedule_id}",
    }
    about = [(path, p.over) for _, path, p in routes(create_app(cities.state)) if p is not None and p.over in names]

    assert {over for _, over in about} == set(names)
    assert [path for path, over in about if names[over] not in path] == []


def test_a_forecast_is_of_a_rollout_that_one_might_order(cities: Rig) -> None:
    viewer = client(cities, Role.VIEWER, HA)
    cities.release("lamp/1.0", ["rpi5"])
    own = {"release": "lamp/1.0", "cohort": "hanoi", "runs": 1}

    def asked(**changes: str) -> Response:
        answer: Response = viewer.post("/api/v1/rollouts/forecast", json={**own, **changes})
        return answer

    elsewhere = [asked(cohort="saigon"), asked(cohort="nowhere"), asked(cohort="all"), asked(release="eye/1.0")]
    assert [answer.status_code for answer in elsewhere] == [403] * 4
    assert elsewhere[0].text.replace("saigon", "nowhere") == elsewhere[1].text
    assert asked().json()["devices"] == 1


@pytest.mark.slow
@pytest.mark.needs("initdb")
def test_a_large_fleets_database_shows_the_same_of_a_scope(cities: Rig, postgresql_rig: Rig) -> None:
    paths = [path for path, over in gets(cities) if path.startswith("/api") and over is Over.ANYWHERE]
    read = [path for path in paths if not path.endswith(("/events", "openapi.json"))]
    viewers = [client(rig, Role.VIEWER, HA) for rig in (cities, build(postgresql_rig))]

    def size(answer: Response) -> int:
        whole = answer.headers["content-type"] == "application/json"
        return len(answer.json()) if whole else len(answer.text.splitlines())

    assert len(read) > 10
    for path in read:
        here, there = (viewer.get(path) for viewer in viewers)
        assert here.status_code == there.status_code < 500, path
        assert [word for word in FOREIGN if word in there.text] == [], path
        assert size(there) == size(here), path
