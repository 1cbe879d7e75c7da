"""What a policy asks for that cannot be is told with its line; what makes sense is not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from surefoot_server.access import users
from surefoot_server.access.roles import Role
from surefoot_server.rollouts import policy as policies
from surefoot_server.rollouts import views
from surefoot_server.rollouts.contradictions import contradictions
from surefoot_server.rollouts.creation import Order
from tests.server.rig import NOW, Rig
from tests.server.rollouts.fleet import POLICY, Fleet

ENOUGH = dict.fromkeys(Role, 5)
SMALL = "phases:\n  - {name: canary, percent: 10, bake: 6h}\n  - {percent: 100, bake: 1h}\n"


def told(text: str, sizes: tuple[int, ...] = (3, 30), people: Mapping[Role, int] = ENOUGH) -> list[str]:
    return contradictions(text, policies.parse(text), sizes, people, NOW)


@pytest.mark.parametrize("text", [SMALL, SMALL + "triggers: {not_passed: {within: 7h}}\n"])
def test_a_policy_that_makes_sense_is_left_alone(text: str) -> None:
    assert told(text) == []


def test_an_objective_that_no_count_can_fail_is_told() -> None:
    text = SMALL + "gate:\n  objectives:\n    - {metric: lost, tripwire: 2, fail_if_surely_above: 2%}\n"
    never = text + "    - {metric: failed, fail_if_surely_above: 99%, confidence: 0.999}\n"

    assert told(text) == []
    assert told(never) == [
        "line 7: gate.objectives[1]: no number of devices that failed fails a phase; the largest has 30."
    ]


def test_a_phase_too_small_to_prove_what_it_must_is_told() -> None:
    text = SMALL + "gate:\n  objectives:\n    - {metric: failed, pass_if_proved_below: 10%}\n"

    (said,) = told(text)

    assert said == "line 6: gate.objectives[0]: canary can never pass: 22 devices prove it, and it has 3."


def test_a_deadline_within_the_bake_is_told() -> None:
    (said,) = told(SMALL + "triggers: {not_passed: {within: 2h}}\n")

    assert said.startswith("line 2: phases[0].bake: canary bakes for 21600 s, and triggers.not_passed comes after 7200")


def test_a_bake_longer_than_the_wait_is_told() -> None:
    (said,) = told(SMALL + "gate: {max_wait: 3h}\n")

    assert said.startswith("line 2: phases[0].bake: canary bakes for 21600 s, and gate.max_wait is 10800 s")


def test_a_freeze_over_every_window_is_told() -> None:
    hours = "limits:\n  window: utc 01:00-05:00\n  freeze: ["

    (said,) = told(SMALL + hours + "2020-01-01/2099-12-31]\n")

    assert said == "line 6: limits.freeze: it leaves no hour to switch in within 60 days."
    assert told(SMALL + hours + "2020-01-01]\n") == []


def test_approvals_that_too_few_can_give_are_told() -> None:
    text = SMALL.replace("bake: 1h", "bake: 1h, approval: {by: releaser, count: 2}")

    (said,) = told(text, people={**ENOUGH, Role.RELEASER: 2})

    assert said.startswith("line 3: phases[1].approval: it waits for 2 approvals by releaser, and 2 can give one today")


def test_the_plan_tells_them(rig: Rig) -> None:
    fleet = Fleet(rig)
    text = POLICY + "triggers: {not_passed: {within: 10s}}\n"

    with rig.db.read() as session:
        found = views.plan_out(session, fleet.service.plan(session, Order(text, "app/1.1", "all")), fleet.now)
        able = users.people(session, fleet.now)

    assert [said.split(": ")[1] for said in found.contradictions] == ["phases[0].bake", "phases[1].bake"]
    assert able[Role.VIEWER] >= able[Role.ADMIN]
