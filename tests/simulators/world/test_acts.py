"""A refused act fails the scenario unless it expects that refusal; so does one that never came, or was let through."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from surefoot_shared.errors import Invalid
from surefoot_simulators.world.recording import Met, Recording
from surefoot_simulators.world.run import run
from surefoot_simulators.world.scenario import parsed

HEAD = '''
title = "One camera and many wishes"
promise = "Nothing that is refused passes silently."
duration = "1h"

[[fleet.devices]]
count = 1

[[release]]
version = "1.0"

[[release]]
version = "1.1"

[[rollout]]
at = "2m"
release = "1.1"
policy = """
phases: [{name: all, percent: 100, bake: 10m}]
rollout: {approval: {by: releaser}}
"""

[[expect]]
kind = "bricked"
exactly = 0
'''
ACTS = """
[[act]]
at = "3m"
do = "approve"
refused = "not_allowed"

[[act]]
at = "3m"
do = "pause"

[[act]]
at = "3m"
do = "retry"
refused = "not_found"

[[act]]
at = "4m"
do = "approve"
by = "binh"
refused = "conflict"

[[act]]
when = "halted"
do = "resume"

[[rollout]]
at = "5m"
release = "1.1"
cohort = "site == 'nowhere'"
"""


@pytest.fixture(scope="module")
def recording() -> Recording:
    return run(parsed(HEAD + ACTS, "wishes"))


def of(recording: Recording, words: str) -> Sequence[Met]:
    return [met for met in recording.expectations if words in met.text]


@pytest.mark.slow
def test_a_refusal_that_is_expected_is_an_expectation_that_holds(recording: Recording) -> None:
    [met] = of(recording, "approve of rollout 1 by operator is refused as not_allowed")

    assert met.held
    assert "started the rollout" in met.found
    assert met.line == HEAD.count("\n") + ACTS.split("[[act]]")[0].count("\n") + 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("act", "found"),
    [
        ("pause of rollout 1 by operator is done", "refused as conflict: A rollout that is awaiting_approval"),
        ("retry of rollout 1 by operator is refused as not_found", "refused as conflict: No such device"),
        ("approve of rollout 1 by binh is refused as conflict", "it was done"),
        ("resume of rollout 1 by operator is done", "its time never came: rollout 1 was never halted"),
        ("start of 1.1 by operator is done", "refused as conflict: No device belongs to"),
    ],
)
def test_anything_else_makes_the_scenario_fail_with_a_sentence(recording: Recording, act: str, found: str) -> None:
    [met] = of(recording, act)

    assert not met.held
    assert found in met.found
    assert not recording.passed


@pytest.mark.slow
def test_an_act_that_was_done_is_no_line_of_its_own() -> None:
    acts = ACTS.partition('[[act]]\nat = "4m"')[0].partition("[[act]]")[0]
    recording = run(parsed(HEAD + acts + '[[act]]\nat = "4m"\ndo = "approve"\nby = "binh"\n', "wishes"))

    assert [met.text for met in recording.expectations] == ["bricked devices: exactly 0"]
    assert recording.passed


@pytest.mark.slow
def test_a_server_that_is_down_refuses() -> None:
    fault = '[[fault]]\nkind = "server_restart"\nat = "3m"\nfor = "5m"\n'
    recording = run(parsed(HEAD + fault + '[[act]]\nat = "4m"\ndo = "cancel"\nrefused = "unreachable"\n', "wishes"))

    assert of(recording, "cancel of rollout 1")[0].held


@pytest.mark.parametrize(
    ("act", "words"),
    [
        ('do = "pause"\nrefused = "naughty"', "act.0.refused: 'naughty' is no kind of error"),
        ('do = "pause"\nwhen = "asleep"', "act.0.when: 'asleep' is not one of draft"),
        ('do = "approve"\nrole = "king"', "act.0.role: 'king' is not one of viewer"),
    ],
)
def test_what_no_server_would_ever_say_is_refused_with_line_and_field(act: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        parsed(f"{HEAD}\n[[act]]\n{act}\n", "wishes")

    assert words in caught.value.message
