"""The wizard's form becomes the policy that it says."""

from __future__ import annotations

import pytest

from surefoot_server.access.roles import Role
from surefoot_server.console.wizard import Form
from surefoot_server.rollouts import policy as policies
from surefoot_server.rollouts.approvals import Approval
from surefoot_server.rollouts.gate import Objective, ObjectiveMetric
from surefoot_server.rollouts.policy import CommittedDevices
from surefoot_server.rollouts.strategy import Strategy
from surefoot_shared.errors import Invalid


def test_an_untouched_form_is_the_default_ladder() -> None:
    asked, default = policies.parse(Form().policy()), policies.parse("")

    assert asked.phases == default.phases
    assert (asked.gate, asked.limits, asked.on_fail) == (default.gate, default.limits, default.on_fail)


def test_every_field_reaches_the_policy() -> None:
    form = Form(
        phases="10 %, 100",
        bake="6h",
        min_reported="80%",
        on_fail="keep",
        max_concurrent="7",
        window="site-local 01:00-05:00",
        approvals="2",
    )

    policy = policies.parse(form.policy())

    assert [(p.percent, p.bake_s) for p in policy.phases] == [(10, 21_600), (100, 21_600)]
    assert (policy.gate.min_reported, policy.limits.max_concurrent) == (0.8, 7)
    assert policy.on_fail.committed_devices is CommittedDevices.KEEP
    assert policy.limits.window is not None
    assert policy.approval is not None
    assert policy.approval.count == 2


def test_each_phase_has_its_own_bake_and_approvals() -> None:
    form = Form(phases="5, 50, 100", bake="1h, 6h, 1d", phase_approvals="0, 1, 2", approver="releaser")

    phases = policies.parse(form.policy()).phases

    assert [phase.bake_s for phase in phases] == [3600, 21_600, 86_400]
    assert [phase.approval for phase in phases] == [None, Approval(Role.RELEASER, 1), Approval(Role.RELEASER, 2)]


def test_one_number_of_approvals_is_for_every_phase() -> None:
    phases = policies.parse(Form(phases="5, 100", phase_approvals="1").policy()).phases

    assert [phase.approval for phase in phases] == [Approval(Role.OPERATOR, 1)] * 2


@pytest.mark.parametrize(("field", "what"), [("bake", "3 bakes"), ("phase_approvals", "3 approvals")])
def test_a_list_that_fits_the_phases_neither_by_one_nor_by_all_is_refused(field: str, what: str) -> None:
    with pytest.raises(Invalid, match=f"There are 2 phases and {what}"):
        Form(phases="5, 100", **{field: "1, 2, 3"}).policy()  # type: ignore[arg-type]


def test_what_fails_a_phase_is_what_the_form_says() -> None:
    form = Form(failed="5%", failed_count="3", reverted="3%", reverted_count="1", lost="0.5%", lost_count="")

    assert policies.parse(form.policy()).gate.objectives == (
        Objective(ObjectiveMetric.FAILED, 0.05, tripwire=3),
        Objective(ObjectiveMetric.REVERTED, 0.03, tripwire=1),
        Objective(ObjectiveMetric.LOST, 0.005),
    )


@pytest.mark.parametrize("strategy", [Strategy.ROLLING, Strategy.BLUE_GREEN])
def test_a_strategy_for_everybody_at_once_has_one_phase(strategy: Strategy) -> None:
    policy = policies.parse(Form(strategy=strategy.value, phases="1, 50, 100").policy())

    assert (policy.strategy, [p.percent for p in policy.phases]) == (strategy, [100])


def test_a_document_of_ones_own_wins_over_the_fields() -> None:
    form = Form(phases="1, 100", document="phases: [{percent: 100, bake: 10s}]")

    assert [p.bake_s for p in policies.parse(form.policy()).phases] == [10.0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"phases": "ten"},
        {"phases": ""},
        {"phases": "50, 10, 100"},
        {"bake": "soon"},
        {"bake": "1h, evil: true}"},
        {"min_reported": "all"},
        {"max_concurrent": "-1"},
        {"window": "night"},
        {"approvals": "many"},
        {"phase_approvals": "1, many, 1, 1, 1, 1, 1, 1"},
        {"approvals": "1", "approver": "viewer"},
        {"failed": "some"},
        {"reverted": ""},
        {"lost_count": "none"},
        {"strategy": "hope"},
        {"on_fail": "explode"},
        {"document": "phases: ["},
    ],
)
def test_what_the_policy_refuses_is_refused_with_its_words(wrong: dict[str, str]) -> None:
    with pytest.raises(Invalid) as refused:
        policies.parse(Form(**wrong).policy())  # type: ignore[arg-type]

    assert refused.value.message


def test_the_order_carries_release_cohort_and_the_plans_salt() -> None:
    order = Form(release="app/1.1", cohort="tag('lab')", salt="ab12", lift_halt=True).order()

    assert (order.release, order.cohort, order.salt, order.lift_halt) == ("app/1.1", "tag('lab')", "ab12", True)
    assert Form(release="", cohort="").order().release is None


def test_the_order_carries_what_a_person_accepted() -> None:
    assert Form(release="app/1.1", accept_blind=True).order().accept_blind
    assert not Form(release="app/1.1").order().accept_blind
