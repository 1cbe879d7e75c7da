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
from surefoot_server.rollouts.gate import Objective, ObjectiveMetric
from surefoot_server.rollouts.judge import bears_one_from, trip_count
from tests.server.rig import NOW, Rig
from tests.server.rollouts.fleet import POLICY, Fleet

ENOUGH = dict.fromkeys(Role, 5)
SMALL = "phases:\n  - {name: canary, percent: 10, bake: 6h}\n  - {percent: 100, bake: 1h}\n"


def told(
    text: str, sizes: tuple[int, ...] = (3, 30), people: Mapping[Role, int] = ENOUGH, soak_s: float = 0.0
) -> list[str]:
    return contradictions(text, policies.parse(text), sizes, people, NOW, soak_s)


def bounded(objective: str) -> str:
    return SMALL + f"gate:\n  objectives:\n    - {objective}\n"


@pytest.mark.parametrize("text", [SMALL, SMALL + "triggers: {not_passed: {within: 7h}}\n"])
def test_a_policy_that_makes_sense_is_left_alone(text: str) -> None:
    assert told(text) == []


def test_an_objective_that_no_count_can_fail_is_told() -> None:
    text = SMALL + "gate:\n  objectives:\n    - {metric: lost, tripwire: 2, fail_if_surely_above: 2%}\n"
    never = text + "    - {metric: failed, fail_if_surely_above: 99%, confidence: 0.999}\n"

    assert told(text, (6, 30)) == []
    assert told(never, (6, 30)) == [
        "line 7: gate.objectives[1]: no number of devices that failed fails a phase; the largest has 30."
    ]


def test_a_phase_too_small_to_prove_what_it_must_is_told() -> None:
    text = SMALL + "gate:\n  objectives:\n    - {metric: failed, pass_if_proved_below: 10%}\n"

    (said,) = told(text)

    assert said == "line 6: gate.objectives[0]: canary can never pass: 22 devices prove it, and it has 3."


@pytest.mark.parametrize(
    ("objective", "sizes", "said"),
    [
        (
            "{metric: failed, fail_if_surely_above: 3%}",
            (3, 30),
            "canary (3): of so few one is surely above 3.0%, and from 4",
        ),
        (
            "{metric: lost, fail_if_surely_above: 1%, tripwire: 2}",
            (3, 11),
            "canary (3): of so few one is surely above 1.0%",
        ),
        (
            "{metric: lost, fail_if_surely_above: 0.1%}",
            (3, 30),
            "canary (3), 100% (30): of so few one is surely above 0.1%",
        ),
    ],
)
def test_a_rate_of_which_one_device_is_too_much_is_told_with_the_size_that_bears_one(
    objective: str, sizes: tuple[int, ...], said: str
) -> None:
    found = [each for each in told(bounded(objective), sizes) if "the first device that" in each]

    assert len(found) == 1
    assert said in found[0]
    assert found[0].startswith("line 6: gate.objectives[0]: the first device that")


@pytest.mark.parametrize(
    ("objective", "sizes"),
    [
        ("{metric: lost, fail_if_surely_above: 0%}", (3, 30)),  # any one of them is what it says
        ("{metric: lost, fail_if_surely_above: 1%, tripwire: 1}", (3, 30)),
        ("{metric: lost, fail_if_surely_above: 1%, dry_run: true}", (3, 30)),
        ("{metric: failed, fail_if_surely_above: 3%}", (1, 30)),  # of one device there is no share
        ("{metric: failed, fail_if_surely_above: 3%}", (4, 30)),
        ("{metric: failed, fail_if_surely_above: 2%}", (3, 30)),  # the default
    ],
)
def test_who_means_the_first_device_or_bears_one_is_told_nothing(objective: str, sizes: tuple[int, ...]) -> None:
    other = "\n    - {metric: reverted, fail_if_surely_above: 50%}"

    assert told(bounded(objective + other), sizes) == []


@pytest.mark.parametrize("sizes", [(2, 6), (6, 30), (50, 51)])
def test_the_size_that_bears_one_is_the_judges_own(sizes: tuple[int, int]) -> None:
    objective = Objective(ObjectiveMetric.FAILED, 0.02)

    for size in sizes:
        assert (trip_count(size, objective) == 1) == (size < bears_one_from(0.02, objective.confidence))


def test_a_tripwire_that_nothing_reaches_is_told() -> None:
    late = bounded("{metric: failed, fail_if_surely_above: 2%, tripwire: 9}")

    (early,) = told(late, (6, 30))
    (large,) = told(late, (60, 300))

    assert early.endswith(
        "its tripwire of 9 is never reached: the rate fails every phase that it serves at 3 or fewer."
    )
    assert large.endswith("its tripwire of 9 serves phases of at most 50 devices, and all are larger.")


def test_a_window_that_is_shorter_than_the_soak_is_told() -> None:
    text = SMALL + "limits:\n  window: site-local 01:00-01:20, 03:00-03:30\n"

    (said,) = told(text, soak_s=45 * 60)

    assert said == (
        "line 5: limits.window: it is open for 30 min at a time, and the release soaks for 45 min: "
        "no device that switches is proved before it closes."
    )
    assert told(text, soak_s=30 * 60) == []


def test_a_download_window_in_which_no_step_times_out_is_told() -> None:
    text = SMALL + "limits: {download_window: utc 01:00-02:00}\n"

    (said,) = told(text)

    assert "it is open for 60 min at a time, and timeouts.step is 120 min" in said
    assert told(text + "timeouts: {step: 1h}\n") == []


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
