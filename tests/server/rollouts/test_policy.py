"""Policies: what an operator writes becomes exactly that, or an error that names line and field."""

from __future__ import annotations

import pytest

from surefoot_server.rollouts.gate import Gate, ObjectiveMetric, OnInconclusive
from surefoot_server.rollouts.policy import CommittedDevices, Policy, companions, complete, parse
from surefoot_shared.errors import Invalid
from surefoot_shared.status import Intent

WHOLE = """
rollout: {release: camera-app/1.8.2, cohort: "country == 'VN'", strategy: canary, intent: downgrade}
phases:
  - {name: lab,    select: "tag('lab')", bake: 10s}
  - {name: canary, percent: 1, min_devices: 20, bake: 6h}
  - {percent: 10%, bake: 1h30m}
  - {percent: 100, bake: 0s}
gate:
  min_reported: 90%
  max_wait: 2d
  on_inconclusive: fail
  objectives:
    - {metric: failed, fail_if_surely_above: 2%, confidence: 0.95}
    - {metric: lost,   fail_if_surely_above: 0.01, tripwire: 1}
limits: {max_concurrent: 50}
timeouts: {lost_after: 5m, asleep_after: 90s, step: 1h}
on_fail: {halt: false, committed_devices: keep}
"""


def test_a_whole_policy_is_read_as_it_is_written() -> None:
    policy = parse(WHOLE)

    assert (policy.release, policy.cohort, policy.intent) == ("camera-app/1.8.2", "country == 'VN'", Intent.DOWNGRADE)
    assert [(p.name, p.percent, p.select, p.min_devices, p.bake_s) for p in policy.phases] == [
        ("lab", None, "tag('lab')", 1, 10.0),
        ("canary", 1.0, None, 20, 21600.0),
        ("10%", 10.0, None, 1, 5400.0),
        ("100%", 100.0, None, 1, 0.0),
    ]
    assert (policy.gate.min_reported, policy.gate.max_wait_s) == (0.9, 172800.0)
    assert policy.gate.on_inconclusive is OnInconclusive.FAIL
    assert [(o.metric, o.fail_if_surely_above, o.confidence, o.tripwire) for o in policy.gate.objectives] == [
        (ObjectiveMetric.FAILED, 0.02, 0.95, None),
        (ObjectiveMetric.LOST, 0.01, 0.9, 1),
    ]
    assert policy.max_concurrent == 50
    assert (policy.timeouts.lost_after_s, policy.timeouts.asleep_after_s, policy.timeouts.step_s) == (300, 90, 3600)
    assert (policy.on_fail.halt, policy.on_fail.committed_devices) == (False, CommittedDevices.KEEP)


def test_an_empty_policy_is_the_whole_ladder_with_a_careful_gate() -> None:
    policy = parse("")

    assert [p.percent for p in policy.phases] == [1, 5, 10, 25, 50, 75, 90, 100]
    assert policy.gate == Gate()
    assert policy.on_fail.halt
    assert policy.on_fail.committed_devices is CommittedDevices.REVERT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gates: {}", "line 1: gates: this key is not known"),
        ("gate:\n  max_wait: 6", "line 2: gate.max_wait: '6' is not a duration"),
        ("gate:\n  max_wait: 6h\n  max_wait: 7h", "line 3: gate.max_wait: this key is given twice"),
        ("gate: {min_reported: 120%}", "gate.min_reported: '120%' is not a share"),
        ("gate: {min_reported: 0}", "gate.min_reported: '0' is not a share"),
        ("gate: {on_inconclusive: pass}", "gate.on_inconclusive: 'pass' is not one of hold, fail"),
        ("gate: {objectives: []}", "a gate without objectives would pass anything"),
        ("gate: {objectives: [{metric: failed}]}", "gate.objectives[0].fail_if_surely_above: it is missing"),
        ("gate: {objectives: [{fail_if_surely_above: 1%}]}", "gate.objectives[0].metric: it is missing"),
        ("gate: {objectives: [{metric: fps, fail_if_surely_above: 1%}]}", "'fps' is not one of"),
        (
            "gate:\n  objectives:\n  - {metric: lost, fail_if_surely_above: 1%}\n"
            "  - {metric: lost, fail_if_surely_above: 2%}",
            "each metric may have one objective",
        ),
        ("phases: [{percent: 10}]", "the last phase must have percent: 100"),
        ("phases: []", "the last phase must have percent: 100"),
        ("phases:\n- {percent: 50}\n- {percent: 10}\n- {percent: 100}", "line 3: phases[1]: percent must rise"),
        ("phases: [{name: a}, {percent: 100}]", "phases[0]: it needs either percent or select"),
        ("phases: [{percent: 1, select: all}, {percent: 100}]", "phases[0]: it needs either percent or select"),
        ("phases: [{name: a, percent: 1}, {name: a, percent: 100}]", "two phases are named 'a'"),
        ("phases:\n- {select: 'hw =='}\n- {percent: 100}", "line 2: phases[0].select: The cohort expression"),
        ("phases: [{percent: 100, approval: {count: 2}}]", "phases[0].approval.by: it is missing"),
        ("rollout: {start_at: 2026-12-01}", "rollout.start_at: '2026-12-01' has no zone"),
        ("rollout: {start_at: soon}", "rollout.start_at: 'soon' is not a time such as"),
        ("phases: [{percent: 100, bake: 6 h}]", "'6 h' is not a duration"),
        ("phases: {percent: 100}", "phases: it must be a list"),
        ("limits: {max_concurrent: 0}", "limits.max_concurrent: '0' is not a whole number from 1"),
        ("limits: {bandwidth: 200}", "limits.bandwidth: this key is not known"),
        ("limits: {window: 01:00-05:00}", "limits.window: '01:00-05:00' is neither site-local nor a time zone"),
        ("limits: {window: site-local 5-6}", "limits.window: '5-6' is not a span of hours such as 01:00-05:00"),
        ("limits: {freeze: [christmas]}", "limits.freeze[0]: 'christmas' is not a day such as 2026-12-24"),
        ("limits: {per_site_unavailable: 0}", "limits.per_site_unavailable: '0' is not a whole number from 1"),
        (
            "rollout: {strategy: blue-green}\nlimits: {max_unavailable: 3}",
            "line 2: limits.max_unavailable: blue-green switches every device at the same time",
        ),
        ("on_fail: {halt: maybe}", "on_fail.halt: 'maybe' is not true or false"),
        ("on_fail: {notify: [oncall]}", "on_fail.notify: this key is not known"),
        ("rollout: {strategy: recreate}", "rollout.recreate: recreate needs it"),
        ("rollout: {strategy: recreate, recreate: {}}", "rollout.recreate.blind_time: it is missing"),
        ("rollout: {recreate: {blind_time: 5m}}", "line 1: rollout.recreate: only the strategy recreate"),
        ("rollout: {strategy: lottery}", "rollout.strategy: 'lottery' is not one of canary"),
        ("rollout: {intent: revert}", "rollout.intent: it must be update or downgrade"),
        ("timeouts: {lost_after: 0s}", "timeouts.lost_after: '0s' is outside"),
        ("rollout: ~", "rollout: it must be a mapping"),
        ("gate: {max_wait: ~}", "gate.max_wait: it must be a single value"),
        ("[1, 2]", "the document: it must be a mapping"),
        ("a: b: c", "line 1"),
        ("!!python/object/apply:os.system ['true']", "it must be a mapping"),
        ("\t", "line 1"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_field(text: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(text)

    assert message in refused.value.message


def test_a_document_that_is_too_large_is_not_parsed() -> None:
    with pytest.raises(Invalid, match="characters"):
        parse("#" * 70_000)


def test_a_policy_cannot_ask_for_what_this_version_lacks_and_be_run_without_it() -> None:
    with pytest.raises(Invalid, match="strategy"):
        parse("rollout: {strategy: lottery}")


def test_what_goes_with_the_release_is_given_with_it_or_left_out_with_it() -> None:
    policy = parse("rollout: {release: app/1.1, also: [model/2.0]}")

    assert companions(policy, None, ()) == companions(policy, "app/1.1", ()) == ("model/2.0",)
    assert companions(policy, "app/1.2", ()) == ()
    assert companions(policy, None, ("model/3.0",)) == ("model/3.0",)


@pytest.mark.parametrize(
    ("rollout", "message"),
    [
        ("{also: [model/2.0]}", "rollout.also: these go with rollout.release, which is not there"),
        ("{release: app/1.1, also: [model]}", "'model' is not a release such as app/1.4"),
        ("{release: app/1.1, also: [model/1, model/2]}", "a component has one"),
    ],
)
def test_what_cannot_go_with_it_is_named(rollout: str, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        parse(f"rollout: {rollout}")


def test_what_is_given_wins_over_the_document() -> None:
    policy: Policy = parse(WHOLE)

    assert complete(policy, "app/2.0", None) == ("app/2.0", "country == 'VN'")
    assert complete(policy, None, "all") == ("camera-app/1.8.2", "all")


@pytest.mark.parametrize(("release", "cohort", "missing"), [(None, "all", "release"), ("app/1.0", None, "cohort")])
def test_a_policy_without_release_or_cohort_is_incomplete(
    release: str | None, cohort: str | None, missing: str
) -> None:
    with pytest.raises(Invalid, match=f"names no {missing}"):
        complete(parse(""), release, cohort)
