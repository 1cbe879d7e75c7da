"""Triggers: which signals are enough, what wins, and what a person's word takes out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from surefoot_server.rollouts import document
from surefoot_server.rollouts.triggers import Do, FlagTrigger, NotPassed, Signal, Signals, Triggers, parse, pull
from surefoot_shared.errors import Invalid
from tests.server.rig import NOW

DEVICES = tuple(Signal(NOW, "ann", "blind", f"cam-{i}") for i in range(1, 4))
RELEASE = Signal(NOW, "ann", "mirrored")
LATE = Triggers(not_passed=NotPassed(3600, Do.HALT))


def triggers(text: str) -> Triggers:
    return parse(document.parse(f"triggers: {text}").mapping("triggers")["triggers"])


def test_without_a_word_three_flagged_devices_or_one_flagged_release_hold_and_an_advisory_halts() -> None:
    assert triggers("{}") == Triggers(FlagTrigger(3, 1, Do.HOLD), Do.HALT, None)
    assert parse(document.parse("").mapping("triggers")["triggers"]) == Triggers()


def test_a_policy_states_its_thresholds_and_acts() -> None:
    found = triggers("{flags: {devices: 10, release: 2, do: revert}, advisory: hold, not_passed: {within: 3d}}")

    assert found == Triggers(FlagTrigger(10, 2, Do.REVERT), Do.HOLD, NotPassed(259200.0, Do.HOLD))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{flags: {devices: 0}}", "triggers.flags.devices: '0' is not a whole number from 1"),
        ("{advisory: ignore}", "'ignore' is not one of hold, halt, revert"),
        ("{not_passed: {do: halt}}", "triggers.not_passed.within: it is missing"),
        ("{errors: 5}", "triggers.errors: this key is not known"),
    ],
)
def test_a_trigger_that_nothing_would_pull_is_refused(text: str, message: str) -> None:
    with pytest.raises(Invalid, match=message.split(":")[0]) as caught:
        triggers(text)
    assert message in caught.value.message


def test_two_flagged_devices_are_not_three_and_a_device_flagged_twice_is_one() -> None:
    twice = (DEVICES[0], DEVICES[0], DEVICES[1])

    assert pull(Triggers(), Signals(flags=twice)) is None

    tripped = pull(Triggers(), Signals(flags=DEVICES))
    assert tripped is not None
    assert tripped.do is Do.HOLD
    assert tripped.reason == "3 devices that run it are flagged, the limit is 3; the last is cam-3, by ann: blind"


def test_a_flag_on_the_release_is_enough_and_counts_apart_from_devices() -> None:
    tripped = pull(Triggers(), Signals(flags=(RELEASE,)))

    assert tripped is not None
    assert tripped.reason == "the release is flagged by ann: mirrored"
    assert pull(Triggers(FlagTrigger(3, 2)), Signals(flags=(RELEASE, *DEVICES[:2]))) is None


def test_the_sternest_wins_and_an_advisory_may_ask_for_more_but_never_for_less() -> None:
    mild, stern = (Signal(NOW, "bob", "cve", do=do) for do in (Do.HOLD, Do.REVERT))

    for advisory, do in ((mild, Do.HALT), (stern, Do.REVERT)):
        tripped = pull(Triggers(), Signals(flags=DEVICES, advisories=(advisory,)))
        assert tripped is not None
        assert tripped.do is do


def test_what_a_person_let_pass_does_not_count_again_and_what_comes_later_does() -> None:
    resumed = Signals(flags=(RELEASE,), since=NOW)

    assert pull(Triggers(), resumed) is None
    later = replace(RELEASE, at=NOW + timedelta(seconds=1))
    assert pull(Triggers(), replace(resumed, flags=(RELEASE, later))) is not None


def test_a_phase_that_does_not_pass_in_time_ends_as_the_policy_says() -> None:
    waiting = Signals(phase_name="canary", phase_began_at=NOW, waited_s=3599)

    assert pull(LATE, waiting) is None
    tripped = pull(LATE, replace(waiting, waited_s=3600))
    assert tripped is not None
    assert (tripped.do, tripped.reason) == (Do.HALT, "canary has not passed within 1 h")
    assert pull(LATE, replace(waiting, waited_s=9999, phase_began_at=None)) is None
