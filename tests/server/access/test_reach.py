"""A role in one cohort or channel opens nothing of another: not by name, not in a list, not by ordering it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from surefoot_server.access import service as access
from surefoot_server.access.reach import Over, covers, reach_of
from surefoot_server.access.roles import Grant, Role, Scope
from surefoot_server.app import create_app
from surefoot_server.audit import service as audit
from surefoot_server.channels import service as channels
from surefoot_server.cohorts import service as cohorts
from surefoot_server.feedback.models import Flag
from surefoot_server.rollouts.models import Rollout, RolloutDecision, RolloutMember, RolloutPhase
from tests.server.access.test_guard import routes
from tests.server.events.test_api import events, serving
from tests.server.rig import NOW, Rig, digest

HA, SG = "cohort:hanoi", "cohort:saigon"
FOREIGN = ("sg-1", "eye/1.0", "saigon", '"r2"')


@pytest.fixture
def cities(rig: Rig) -> Rig:
    """Two cities with a device, a release, a rollout, a channel and a flag each."""
    rig.device("ha-1", "rpi5", ["ha"])
    rig.device("sg-1", "jetson-orin", ["sg"])
    rig.release("app/1.0", ["rpi5"])
    rig.release("eye/1.0", ["jetson-orin"])
    rig.assign("ha-1", "app/1.0")
    rig.assign("sg-1", "eye/1.0")
    with rig.db.write() as session:
        for name, tag in (("hanoi", "ha"), ("saigon", "sg")):
            cohorts.create(session, name, f"tag('{tag}')", "test", NOW)
        channels.create(session, "dev-hanoi", None, "hanoi", "", "", "test", NOW)
        channels.create(session, "dev-saigon", None, "saigon", "", "", "test", NOW)
        channels.promote(session, "dev-hanoi", "app/1.0", "test", NOW)
        channels.promote(session, "dev-saigon", "eye/1.0", "test", NOW)
        for n, (device, release, cohort) in enumerate(
            (("ha-1", "app/1.0", "hanoi"), ("sg-1", "eye/1.0", "saigon")), start=1
        ):
            row = Rollout(
                id=f"r{n}",
                number=n,
                release_id=release,
                component=release.split("/")[0],
                digest=digest(release),
                cohort=cohort,
                expression=f"tag('{cohort}')",
                policy="",
                salt="s",
                state="running",
                created_at=NOW,
                created_by="test",
            )
            session.add(row)
            session.flush()
            session.add(
                RolloutPhase(
                    rollout_id=row.id, index=0, name="all", selector="100 %", bake_s=1, members=1, state="offering"
                )
            )
            session.add(
                RolloutMember(rollout_id=row.id, device_id=device, hw="rpi5", reason="", standing="member", phase=0)
            )
            session.add(
                RolloutDecision(
                    rollout_id=row.id, at=NOW, actor="engine", kind="offer", reason=device, device_id=device
                )
            )
            session.add(Flag(at=NOW, by="test", source="operator", device_id=device, release_id=release, reason="odd"))
    return rig


def client(rig: Rig, role: Role, *scopes: str) -> TestClient:
    made = rig.client(None)
    with rig.db.write() as session:
        name = f"t{len(access.tokens(session))}"
        parsed = [Scope.parse(s) for s in scopes]
        _, text = access.create_token(session, name, role, "test", NOW, scopes=parsed)
    made.headers["Authorization"] = f"Bearer {text}"
    return made


def gets(rig: Rig) -> Iterator[tuple[str, Over]]:
    for method, path, permission in routes(create_app(rig.state)):
        if method == "GET" and path.startswith("/api") and permission is not None and permission.role is Role.VIEWER:
            yield path, permission.over


def filled(path: str, own: bool) -> str:
    place = {
        "device_id": "ha-1" if own else "sg-1",
        "rollout_id": "r1" if own else "r2",
        "component": "app" if own else "eye",
        "version": "1.0",
        "request_id": "none",
    }
    if "channels" in path:
        place["name"] = "dev-hanoi" if own else "dev-saigon"
    elif "cohorts" in path:
        place["name"] = "hanoi" if own else "saigon"
    for name, value in place.items():
        path = path.replace("{" + name + "}", value)
    return path


def test_nothing_of_another_city_is_in_any_answer(cities: Rig) -> None:
    viewer, seen = client(cities, Role.VIEWER, HA), 0

    for path, over in gets(cities):
        if path.endswith(("openapi.json", "/events")):  # the stream has a test of its own
            continue
        refused = over not in (Over.ANYWHERE, Over.ORDER)
        answer = viewer.get(filled(path, own=False))
        assert (answer.status_code == 403) is refused, path
        if not refused:
            seen += 1
            assert [word for word in FOREIGN if word in answer.text] == [], path
    assert seen >= 8


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


def test_a_channels_scope_reaches_the_channel_and_its_cohort(cities: Rig) -> None:
    releaser = client(cities, Role.RELEASER, "channel:dev-hanoi")

    assert [c["name"] for c in releaser.get("/api/v1/channels").json()] == ["dev-hanoi"]
    assert [d["id"] for d in releaser.get("/api/v1/devices").json()] == ["ha-1"]
    note = {"release": "app/1.0", "test": "smoke"}
    assert releaser.post("/api/v1/channels/dev-hanoi/note", json=note).status_code == 201
    assert releaser.post("/api/v1/channels/dev-saigon/note", json=note).status_code == 403
    assert releaser.post("/api/v1/channels/dev-hanoi/promote", json={"release": "eye/1.0"}).status_code == 403


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
        ("POST", "/api/v1/cohorts", {"name": "mine", "expression": "all"}),
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


def signed_in(rig: Rig, role: Role, scope: str) -> TestClient:
    browser = rig.client(None)
    browser.headers["Accept"] = "text/html"
    browser.post("/sign-in", data={"token": client(rig, role, scope).headers["Authorization"].partition(" ")[2]})
    return browser


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


def test_a_route_that_names_nothing_in_a_scope_is_refused_and_no_fault(cities: Rig) -> None:
    answer = client(cities, Role.VIEWER, HA).post("/api/v1/rollouts/forecast", json={"release": "app/1.0"})

    assert answer.status_code == 403
