"""The pages of rollouts: what they show to whom, and what their buttons do."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from surefoot_server.access.roles import Role
from surefoot_shared.status import Outcome
from tests.server.rig import Rig
from tests.server.rollouts.fleet import Fleet


def signed_in(rig: Rig, role: Role) -> TestClient:
    client = rig.client(None)
    client.post("/sign-in", data={"token": rig.token(role)})
    return client


@pytest.fixture
def fleet(rig: Rig) -> Fleet:
    return Fleet(rig)


def test_all_rollouts_are_listed_the_newest_first_and_by_their_state(rig: Rig, fleet: Fleet) -> None:
    first = fleet.start()
    fleet.service.cancel(first, "alice", fleet.now)
    second = fleet.start("app/1.2")
    viewer = signed_in(rig, Role.VIEWER)

    assert re.findall(r'<th scope="row"><a href="/rollouts/(\w+)"', viewer.get("/rollouts").text) == [second, first]
    assert f'"/rollouts/{second}"' not in viewer.get("/rollouts?state=cancelled").text
    assert "No rollout is in this state" in viewer.get("/rollouts?state=held").text


def test_an_empty_list_says_which_command_to_run(rig: Rig) -> None:
    assert "surefoot rollout start" in signed_in(rig, Role.VIEWER).get("/rollouts").text


def test_a_rollout_shows_its_ladder_its_devices_and_what_was_decided(rig: Rig, fleet: Fleet) -> None:
    rollout_id = fleet.start()
    first, *_ = fleet.in_phase(rollout_id, 0)
    fleet.end(Outcome.FAILED, first)

    text = signed_in(rig, Role.VIEWER).get(f"/rollouts/{rollout_id}").text

    assert "0 of 12 devices run it, 1 failed, 9 waiting." in text
    assert re.search(r"reports? (is|are) needed to pass; stopped by 1 failed or 1 reverted or 1 lost", text)
    assert '<line class="mark good"' in text
    assert '<line class="mark bad"' in text
    assert "12 devices in 2 phases" in text


def test_a_viewer_sees_no_act_and_may_do_none(rig: Rig, fleet: Fleet) -> None:
    rollout_id = fleet.start()
    viewer = signed_in(rig, Role.VIEWER)

    assert 'class="acts"' not in viewer.get(f"/rollouts/{rollout_id}").text
    assert viewer.post(f"/rollouts/{rollout_id}/pause").status_code == 403
    assert fleet.rollout(rollout_id).state == "running"


@pytest.mark.parametrize(
    ("verb", "form", "ends"),
    [
        ("pause", {}, ("paused", "")),
        ("halt", {"committed": "keep"}, ("halted", "keep")),
        ("halt", {"committed": "revert"}, ("failed", "revert")),
        ("revert", {}, ("failed", "revert")),
        ("cancel", {}, ("cancelled", "")),
    ],
)
def test_a_button_does_what_the_api_does_and_the_trail_says_who_and_why(
    rig: Rig, fleet: Fleet, verb: str, form: dict[str, str], ends: tuple[str, str]
) -> None:
    rollout_id = fleet.start()
    fleet.commit(*fleet.in_phase(rollout_id, 0)[:1])
    operator = signed_in(rig, Role.OPERATOR)

    answer = operator.post(f"/rollouts/{rollout_id}/{verb}", data={"reason": "smoke", **form}, follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, f"/rollouts/{rollout_id}")
    row = fleet.rollout(rollout_id)
    assert (row.state, row.committed_devices) == ends
    said = next(entry for entry in fleet.audited(rollout_id)[::-1] if entry.action == f"rollout.{verb}")
    assert said.actor.startswith("operator-")
    assert "smoke" in str(said.detail)


def test_a_second_person_approves_and_the_first_one_may_not(rig: Rig, fleet: Fleet) -> None:
    operator, other = signed_in(rig, Role.OPERATOR), signed_in(rig, Role.ADMIN)
    page = operator.post("/rollouts", data={"release": "app/1.1", "cohort": "all", "approvals": "1"})
    rollout_id = str(page.url).rsplit("/", 1)[-1]
    assert "awaiting approval" in page.text

    assert operator.post(f"/rollouts/{rollout_id}/approve").status_code == 403
    other.post(f"/rollouts/{rollout_id}/approve")

    assert fleet.rollout(rollout_id).state == "running"


def test_devices_whose_attempt_failed_are_retried(rig: Rig, fleet: Fleet) -> None:
    rollout_id = fleet.start(
        policy="phases: [{percent: 100}]\ngate: {objectives: [{metric: lost, tripwire: 9, fail_if_surely_above: 90%}]}"
    )
    first = fleet.in_phase(rollout_id, 0)[0]
    fleet.end(Outcome.FAILED, first)

    signed_in(rig, Role.OPERATOR).post(f"/rollouts/{rollout_id}/retry")

    assert fleet.members(rollout_id)[first].assignment_id is None


def test_an_act_that_is_not_possible_now_is_refused_in_words(rig: Rig, fleet: Fleet) -> None:
    rollout_id = fleet.start()

    answer = signed_in(rig, Role.OPERATOR).post(f"/rollouts/{rollout_id}/resume", headers={"Accept": "text/html"})

    assert answer.status_code == 409
    assert "A rollout that is running cannot resume." in answer.text


def test_an_act_that_nobody_knows_is_not_found(rig: Rig, fleet: Fleet) -> None:
    rollout_id = fleet.start()
    operator = signed_in(rig, Role.OPERATOR)

    for verb in ("tick", "_act", "explode"):
        assert operator.post(f"/rollouts/{rollout_id}/{verb}").status_code == 404


def test_a_form_of_another_site_stops_nothing(rig: Rig, fleet: Fleet) -> None:
    rollout_id = fleet.start()

    answer = signed_in(rig, Role.ADMIN).post(f"/rollouts/{rollout_id}/halt", headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403
    assert fleet.rollout(rollout_id).state == "running"


def test_the_part_that_changes_comes_without_the_frame(rig: Rig, fleet: Fleet) -> None:
    rollout_id = fleet.start()

    text = signed_in(rig, Role.VIEWER).get(f"/rollouts/{rollout_id}/now").text

    assert "<html" not in text
    assert '<div id="now"' in text


def test_every_device_is_listed_with_its_reason(rig: Rig, fleet: Fleet) -> None:
    rollout_id = fleet.start()
    viewer = signed_in(rig, Role.VIEWER)

    assert viewer.get(f"/rollouts/{rollout_id}/devices").text.count('<th scope="row">') == 12
    assert viewer.get(f"/rollouts/{rollout_id}/devices?is=waiting").text.count('<th scope="row">') == 9


def test_a_reason_is_text_and_never_markup(rig: Rig, fleet: Fleet) -> None:
    rollout_id = fleet.start()
    operator = signed_in(rig, Role.OPERATOR)

    operator.post(f"/rollouts/{rollout_id}/pause", data={"reason": "<script>alert(1)</script>"})

    for path in ("/", "/rollouts", f"/rollouts/{rollout_id}"):
        assert "<script>alert" not in operator.get(path).text
