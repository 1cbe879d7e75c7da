"""The wizard: form, preview, start; and the way back when something is wrong."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from surefoot_server.access.roles import Role
from surefoot_server.devices.models import DeviceComponent
from surefoot_server.rollouts import policy as policies
from surefoot_server.rollouts.approvals import Approval
from tests.server.console.browser import browser
from tests.server.rig import Rig
from tests.server.rollouts.fleet import Fleet
from tests.server.rollouts.pairs import with_models


@pytest.fixture
def fleet(rig: Rig) -> Fleet:
    return Fleet(rig)


@pytest.fixture
def operator(rig: Rig) -> TestClient:
    return browser(rig, Role.OPERATOR)


SHADOW = "rollout: {strategy: shadow, shadow: {for: 10m, min_fps: 80%}}"
FILLED = {"release": "app/1.1", "cohort": "all", "strategy": "canary", "phases": "25, 100", "bake": "10m"}


def hidden(text: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', text))


@pytest.mark.parametrize(("scope", "cohort"), [("cohort:hanoi", "hanoi"), ("fleet", "all")])
def test_the_form_begins_with_a_cohort_that_the_person_has_a_role_over(rig: Rig, scope: str, cohort: str) -> None:
    rig.client(Role.ADMIN).post("/api/v1/cohorts", json={"name": "hanoi", "expression": "tag('ha')"})
    wish = {"name": "linh", "role": "operator", "scopes": [] if scope == "fleet" else [scope]}
    token = rig.client(Role.ADMIN).post("/api/v1/tokens", json=wish).json()["token"]
    client = rig.client(None)
    client.post("/sign-in", data={"token": token})

    assert re.search(rf'name="cohort" value="{cohort}"', client.get("/rollouts/new").text)


def test_the_form_offers_releases_and_cohorts(fleet: Fleet, operator: TestClient) -> None:
    text = operator.get("/rollouts/new").text

    assert "<option>app/1.2</option>" in text
    assert "1, 5, 10, 25, 50, 75, 90, 100" in text


def test_the_preview_says_who_gets_it_who_does_not_how_much_and_what_stops_it(
    rig: Rig, fleet: Fleet, operator: TestClient
) -> None:
    rig.device("odd-1", "odd-box")

    text = operator.post("/rollouts/new", data=FILLED).text

    assert "app/1.1 would go to 12 devices in 2 phases." in text
    assert "12.0 kB" in text
    assert "1 device is left out" in text
    assert "the release is not made for odd-box" in text
    assert "1 failed, 1 reverted, 1 lost" in text
    assert "Start on 12 devices" in text
    assert fleet.wished() == set()


def test_the_preview_foretells_how_long_how_many_at_worst_and_how_likely_a_mistake_is(
    fleet: Fleet, operator: TestClient
) -> None:
    text = operator.post("/rollouts/new", data=FILLED).text

    assert re.search(r"A good release takes</dt><dd>[^<]+ <span class=\"quiet\">[^<]+ in nine of ten runs", text)
    assert re.search(r"It is stopped by mistake</dt><dd>[\d.]+ % <span class=\"quiet\">\(95 % sure: [\d.]+ to", text)
    assert re.search(r"A bad release runs on</dt><dd>\d+ devices? at worst", text)
    assert "50 runs with a good release" in text
    assert fleet.wished() == set()


def test_the_preview_tells_what_of_the_policy_can_hardly_be_meant(fleet: Fleet, operator: TestClient) -> None:
    odd = {"failed": "3%", "bake": "72h"}

    fine, said = (operator.post("/rollouts/new", data={**FILLED, **more}).text for more in ({}, odd))

    assert "Does the policy mean this?" not in fine
    assert "the first device that failed fails 25% (3): of so few one is surely above 3.0%" in said
    assert "nobody is waited for after the bake" in said


def test_what_cannot_be_played_is_previewed_without_a_forecast(fleet: Fleet, operator: TestClient) -> None:
    text = operator.post("/rollouts/new", data={**FILLED, "document": SHADOW}).text

    assert "would go to" in text
    assert "A good release takes" not in text


def test_what_was_previewed_is_what_starts(fleet: Fleet, operator: TestClient) -> None:
    form = hidden(operator.post("/rollouts/new", data=FILLED).text)

    page = operator.post("/rollouts", data=form)

    rollout_id = str(page.url).rsplit("/", 1)[-1]
    row = fleet.rollout(rollout_id)
    assert (row.state, row.salt) == ("running", form["salt"])
    assert [(p.selector, p.bake_s) for p in fleet.phases(rollout_id)] == [("25%", 600.0), ("100%", 600.0)]


def test_approvals_and_bounds_of_the_form_reach_the_preview_and_what_starts(fleet: Fleet, operator: TestClient) -> None:
    filled = FILLED | {"phase_approvals": "0, 1", "approver": "releaser", "lost": "50%", "lost_count": "7"}

    text = operator.post("/rollouts/new", data=filled).text
    page = operator.post("/rollouts", data=hidden(text))

    assert "needs 1 approval by releaser" in text
    policy = policies.parse(fleet.rollout(str(page.url).rsplit("/", 1)[-1]).policy)
    assert [phase.approval for phase in policy.phases] == [None, Approval(Role.RELEASER, 1)]
    assert (policy.gate.objectives[2].fail_if_surely_above, policy.gate.objectives[2].tripwire) == (0.5, 7)


def test_a_policy_of_ones_own_is_kept_through_the_preview(fleet: Fleet, operator: TestClient) -> None:
    document = "phases: [{name: everyone, percent: 100, bake: 30s}]"

    text = operator.post("/rollouts/new", data={**FILLED, "document": document}).text

    assert document in text
    assert "everyone" in text


def test_a_set_is_chosen_previewed_whole_and_started_as_one(fleet: Fleet, operator: TestClient) -> None:
    with_models(fleet)
    with fleet.rig.db.write() as session:
        session.delete(session.get(DeviceComponent, ("cam-01", "model")))
    chosen = {**FILLED, "also": ["model/2.0", "app/1.1"]}

    text = operator.post("/rollouts/new", data=chosen).text
    back = operator.post("/rollouts/new", data={**chosen, "back": "1"}).text
    started = operator.post("/rollouts", data=chosen)
    shown = operator.get("/rollouts/r1").text

    assert "app/1.1 + model/2.0 would go to 11 devices" in text
    assert "does not know what its model runs" in text
    assert "11 × 1.0 kB from model/1.0" in text
    assert '<input type="hidden" name="also" value="model/2.0">' in text
    assert "<option selected>model/2.0</option>" in back
    assert (started.status_code, fleet.rollout("r1").releases) == (200, ["app/1.1", "model/2.0"])
    assert "<h1>app/1.1 + model/2.0 →" in shown


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        ({"bake": "soon"}, 422, "bake"),
        ({"cohort": "hw =="}, 422, "cohort"),
        ({"cohort": "nobody-saved-it"}, 404, "no cohort"),
        ({"release": "app/9.9"}, 404, "app/9.9"),
        ({"phases": "50, 10, 100"}, 422, "percent must rise"),
        ({"also": "app/1.2"}, 409, "different components"),
        ({"also": "model/9"}, 404, "model/9"),
    ],
)
def test_a_mistake_is_shown_on_the_form_with_everything_that_was_typed(
    fleet: Fleet, operator: TestClient, wrong: dict[str, str], status: int, said: str
) -> None:
    answer = operator.post("/rollouts/new", data={**FILLED, **wrong})

    assert answer.status_code == status
    assert said in answer.text
    assert 'role="alert"' in answer.text
    assert all(f'value="{value}"' in answer.text for key, value in wrong.items() if key in ("bake", "phases"))


def test_a_rollout_that_would_reach_nobody_is_not_started(fleet: Fleet, operator: TestClient) -> None:
    empty = {**FILLED, "cohort": "tag('nothing')"}

    assert "disabled" in operator.post("/rollouts/new", data=empty).text
    answer = operator.post("/rollouts", data=empty)

    assert answer.status_code == 409
    assert "No device belongs to" in answer.text


def test_going_back_keeps_what_was_typed(fleet: Fleet, operator: TestClient) -> None:
    text = operator.post("/rollouts/new", data={**FILLED, "bake": "17m", "back": "1"}).text

    assert 'value="17m"' in text
    assert 'role="alert"' not in text


def test_a_viewer_starts_nothing(rig: Rig, fleet: Fleet) -> None:
    viewer = rig.client(None)
    viewer.post("/sign-in", data={"token": rig.token(Role.VIEWER)})

    assert viewer.get("/rollouts/new").status_code == 403
    assert viewer.post("/rollouts", data=FILLED).status_code == 403
    assert "New rollout" not in viewer.get("/rollouts").text


def test_a_form_of_another_site_starts_nothing(fleet: Fleet, operator: TestClient) -> None:
    answer = operator.post("/rollouts", data=FILLED, headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403
    assert fleet.wished() == set()


def test_without_a_release_the_form_says_which_command_publishes_one(operator: TestClient) -> None:
    assert "surefoot release publish" in operator.get("/rollouts/new").text
