"""A rollout of shadows: compared on each device, judged by that, never switched, promoted by an ordinary one."""

from __future__ import annotations

import json

import pytest
from securesystemslib.formats import encode_canonical

from surefoot_server.rollouts.policy import parse
from surefoot_server.rollouts.shadowing import OBJECTIVES
from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.messages import AssignmentNote, ShadowTerms
from surefoot_shared.status import AttemptState, Intent, Outcome
from tests.server.rig import progress
from tests.server.rollouts.fleet import Fleet

ABLE = tuple(f"cam-{i:02}" for i in range(1, 9))
"""Fewer than five that all disagree may be chance, says the test of a metric: that holds, and does not fail."""
SHADOW = """
rollout: {strategy: shadow, shadow: {for: 10m, min_fps: 80%}}
gate: {max_wait: 10m}
on_fail: {committed_devices: revert}
"""
GOOD = {"shadow_agreement_ratio": 0.99, "shadow_latency_ratio": 1.1, "shadow_fps_cost_ratio": 0.02}


@pytest.fixture
def able(fleet: Fleet) -> Fleet:
    for name in ABLE:
        fleet.announce(name, "shadow")
    return fleet


def shadowed(fleet: Fleet, figures: dict[str, float]) -> str:
    """Start it, and let every device run it and tell these figures of it."""
    rollout = fleet.start(policy=SHADOW)
    for name in ABLE:
        fleet._say(name, progress(fleet.wish(name), fleet._seq(name), AttemptState.STAGED))
    fleet.tick(60)
    for name in ABLE:
        fleet.measure(name, "app/1.1", figures)
    fleet.tick(60)
    fleet.end(Outcome.SHADOWED, *ABLE)
    fleet.tick(1)
    return rollout


def test_only_devices_that_can_are_in_it_and_no_more_than_the_shadow_is_ordered(able: Fleet) -> None:
    rollout = able.start(policy=SHADOW)

    assert {m.device_id for m in able.members(rollout).values() if m.standing == "member"} == set(ABLE)
    wish = able.wish("cam-01")
    assert (wish.activate, wish.windows) == (False, None)
    assert wish.shadow == {"for_s": 600, "min_fps_permille": 800, "min_memory_permille": 100}


def test_the_terms_can_be_signed() -> None:
    shadow = parse("rollout: {strategy: shadow, shadow: {for: 90s, min_fps: 92.5%}}").shadow
    assert shadow is not None
    note = AssignmentNote("cam-01", "a-1", "app", 1, Intent.UPDATE, shadow=shadow.terms)

    signed = encode_canonical(wire.to_json(note))  # raises where there is a fraction in it

    assert wire.from_json(AssignmentNote, json.loads(str(signed))).shadow == ShadowTerms(90, 925, 100)


def test_nobody_is_told_to_switch_however_long_it_has_it_staged(able: Fleet) -> None:
    able.start(policy=SHADOW)
    for name in ABLE:
        able._say(name, progress(able.wish(name), able._seq(name), AttemptState.STAGED))
    able.tick(300)

    assert [able.wish(name).activate for name in ABLE] == [False] * 8


def test_what_agrees_passes_and_nothing_was_switched(able: Fleet) -> None:
    rollout = shadowed(able, GOOD)
    able.tick(300)

    row = able.rollout(rollout)
    assert (row.state, row.reason) == ("succeeded", "8 of 8 devices ran it beside their own; nothing was switched")
    assert {able.runs(name) for name in ABLE} == {"app/1.0"}
    assert "shadow_agreement_ratio" in able.phases(rollout)[0].reason


@pytest.mark.slow
def test_what_counts_otherwise_fails_and_there_is_nothing_to_take_back(able: Fleet) -> None:
    rollout = shadowed(able, GOOD | {"shadow_agreement_ratio": 0.4})
    able.tick(300)

    row = able.rollout(rollout)
    assert (row.state, row.halts_digest) == ("failed", True)
    assert "shadow_agreement_ratio" in row.reason
    assert {able.wish(name).intent for name in ABLE} == {"update"}


@pytest.mark.slow
def test_what_is_slower_waits_for_a_person(able: Fleet) -> None:
    rollout = shadowed(able, GOOD | {"shadow_latency_ratio": 3.0})
    able.tick(300)

    assert able.rollout(rollout).state == "held"


@pytest.mark.slow
def test_without_figures_nothing_passes(able: Fleet) -> None:
    rollout = shadowed(able, {})
    able.tick(1200)

    assert able.rollout(rollout).state == "held"


def test_shadows_that_harm_fail_the_phase(able: Fleet) -> None:
    rollout = able.start(policy=SHADOW)
    able.end(Outcome.FAILED, *ABLE)
    able.tick(1)

    assert able.rollout(rollout).state == "failed"


@pytest.mark.slow
def test_an_ordinary_rollout_of_what_was_shadowed_may_follow(able: Fleet) -> None:
    shadowed(able, GOOD)
    able.tick(300)

    able.start(policy="phases: [{percent: 100, bake: 60s}]")

    wish = able.wish("cam-01")
    assert (wish.release_id, wish.shadow, wish.activate) == ("app/1.1", None, True)


def test_the_gate_of_a_policy_that_names_no_metric_looks_at_what_was_compared() -> None:
    assert parse(SHADOW).gate.metrics == OBJECTIVES
    own = parse(SHADOW.replace("max_wait: 10m", "objectives: [{metric: shadow_agreement_ratio, min: 0.7}]"))
    assert [(o.metric, o.low) for o in own.gate.metrics] == [("shadow_agreement_ratio", 0.7)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rollout: {shadow: {for: 5m}}", "rollout.shadow: only the strategy shadow"),
        ("rollout: {strategy: shadow, shadow: {for: 0s}}", "rollout.shadow.for"),
        ("rollout: {strategy: shadow}\nlimits: {max_unavailable: 2}", "a shadow makes no device unavailable"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(text)

    assert message in refused.value.message
