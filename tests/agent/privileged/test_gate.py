"""The rules by themselves; what they come to on a real device is in test_steward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from surefoot_agent.privileged import gate
from surefoot_agent.privileged.gate import View
from surefoot_agent.trial import Trial, Verdict
from surefoot_shared.errors import Conflict, UntrustedRelease
from surefoot_shared.status import SlotName, SlotState
from tests.agent.trees import release

A, B = SlotName.A, SlotName.B
MANIFEST = release({"run": b""})
TRIAL = Trial("a-1", 1, "app", "B", "A", "boot", 60.0, 100.0, "boot", 3, None)


def view(**changes: object) -> View:
    """A runs and is good, B holds a whole release."""
    plain = View(
        current=A,
        primary=A,
        running=A,
        trial=None,
        installed=lambda slot: MANIFEST,
        digest=lambda slot: "d",
        state=lambda slot: SlotState.GOOD if slot is A else SlotState.BAD,
        may_run=lambda note, digest: None,
        refuse_revoked=lambda component, digest: None,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def never(of: object, digest: object) -> None:
    raise UntrustedRelease("below_svn_floor", "It is below the floor.")


def refuses(act: Callable[[], object]) -> bool:
    try:
        act()
    except (Conflict, UntrustedRelease):
        return True
    return False


@pytest.mark.parametrize(
    ("seen", "slot", "refused"),
    [
        (view(), B, False),
        (view(), A, True),
        (view(primary=B), B, True),
        (view(running=B), B, True),
        (view(trial=TRIAL), B, True),
        (view(trial=replace(TRIAL, verdict=Verdict.UNHEALTHY)), B, False),
        (view(current=None, primary=None, running=None), B, False),
        (view(current=B, primary=B, running=B, trial=replace(TRIAL, verdict=Verdict.UNHEALTHY)), A, True),
        (view(current=B, primary=B, running=B, trial=replace(TRIAL, verdict=Verdict.GUARD, finished=True)), A, False),
        (view(current=B, primary=B, running=B, trial=replace(TRIAL, verdict=Verdict.HEALTHY)), A, False),
        (view(current=B, primary=B, running=B, trial=replace(TRIAL, verdict=Verdict.HEALTHY), tried=B), A, True),
        (view(tried=B), B, False),
    ],
)
def test_only_a_slot_that_matters_to_nobody_is_written(seen: View, slot: SlotName, refused: bool) -> None:
    assert refuses(lambda: gate.may_write(seen, slot)) is refused


@pytest.mark.parametrize("state", SlotState)
def test_the_slot_that_is_entered_next_keeps_its_mark(state: SlotState) -> None:
    assert refuses(lambda: gate.may_mark(view(), A, state)) is (state is not SlotState.GOOD)
    assert refuses(lambda: gate.may_mark(view(), B, state)) is (state is SlotState.GOOD)


@pytest.mark.parametrize("seen", [view(primary=B, trial=TRIAL), view(primary=B, tried=B)])
def test_the_way_back_of_what_is_armed_keeps_its_mark(seen: View) -> None:
    assert refuses(lambda: gate.may_mark(seen, A, SlotState.BAD))


@pytest.mark.parametrize(
    ("trial", "refused"),
    [
        (None, True),
        (TRIAL, False),
        (replace(TRIAL, slot="A", previous="B"), True),
        (replace(TRIAL, verdict=Verdict.GUARD), True),
        (replace(TRIAL, verdict=Verdict.HEALTHY), True),
    ],
)
def test_a_slot_is_armed_only_for_its_open_trial(trial: Trial | None, refused: bool) -> None:
    assert refuses(lambda: gate.may_arm(view(trial=trial), B)) is refused


@pytest.mark.parametrize("act", [gate.may_arm, gate.may_enter, gate.may_begin_trial])
def test_what_may_not_run_is_not_entered_on_any_way(act: Callable[[View, SlotName], object]) -> None:
    seen = view(trial=TRIAL, may_run=never)

    assert refuses(lambda: act(seen, B))
    assert refuses(lambda: act(view(trial=TRIAL, digest=lambda slot: None), B))


@pytest.mark.parametrize("act", [gate.may_arm, gate.may_enter, gate.may_begin_trial])
def test_what_was_revoked_is_not_entered_and_what_runs_goes_on(act: Callable[[View, SlotName], object]) -> None:
    entered = view(trial=TRIAL, refuse_revoked=never)
    runs = replace(entered, current=B, primary=B, running=B)

    assert refuses(lambda: act(entered, B))
    assert not refuses(lambda: gate.may_commit(runs, B))
    assert not refuses(lambda: gate.may_start(runs, B))


@pytest.mark.parametrize("verdict", [None, Verdict.UNHEALTHY, Verdict.GUARD])
def test_the_way_back_of_a_trial_is_open_whatever_the_floors_say(verdict: Verdict | None) -> None:
    seen = view(current=B, primary=B, trial=replace(TRIAL, verdict=verdict), may_run=never, refuse_revoked=never)

    assert not refuses(lambda: gate.may_enter(seen, A))
    assert not refuses(lambda: gate.may_start(replace(seen, current=A), A))


def test_a_way_back_that_was_written_since_its_trial_was_finished_is_none_any_more() -> None:
    over = replace(TRIAL, verdict=Verdict.UNHEALTHY, finished=True)
    written = view(
        current=B, primary=B, running=B, trial=over, state=lambda slot: SlotState.BAD, digest=lambda slot: None
    )

    assert refuses(lambda: gate.may_enter(written, A))
    assert refuses(lambda: gate.may_mark(written, A, SlotState.GOOD))
    assert not refuses(lambda: gate.may_enter(replace(written, state=lambda slot: SlotState.GOOD), A))
    assert not refuses(lambda: gate.may_start(replace(written, current=A, primary=A), A))


def test_after_a_healthy_verdict_the_way_back_is_a_release_like_any_other() -> None:
    seen = view(current=B, primary=B, trial=replace(TRIAL, verdict=Verdict.HEALTHY), may_run=never)

    assert refuses(lambda: gate.may_enter(seen, A))


@pytest.mark.parametrize(
    ("seen", "refused"),
    [
        (view(current=B, running=B, trial=TRIAL), False),
        (view(current=B, running=B, trial=replace(TRIAL, verdict=Verdict.HEALTHY)), False),
        (view(current=B, running=B, trial=replace(TRIAL, verdict=Verdict.GUARD)), True),
        (view(current=B, running=A, trial=TRIAL), True),
        (view(current=B, running=None, trial=TRIAL), True),
        (view(current=A, running=A, trial=TRIAL), True),
        (view(current=B, running=B), True),
        (view(current=B, running=B, trial=TRIAL, may_run=never), True),
    ],
)
def test_a_commit_needs_its_trial_its_slot_and_its_process(seen: View, refused: bool) -> None:
    assert refuses(lambda: gate.may_commit(seen, B)) is refused


def test_a_committed_slot_may_be_committed_again_at_every_start() -> None:
    gate.may_commit(view(running=None), A)

    assert refuses(lambda: gate.may_commit(view(running=None), B))


def test_only_the_application_of_the_current_slot_is_started() -> None:
    gate.may_start(view(), A)

    assert refuses(lambda: gate.may_start(view(), B))
    assert refuses(lambda: gate.may_start(view(may_run=never), A))


def test_a_trial_begins_from_what_runs_and_may_be_armed_again() -> None:
    assert gate.may_begin_trial(view(), B) is A
    assert gate.may_begin_trial(view(current=B, trial=TRIAL), B) is A
    assert refuses(lambda: gate.may_begin_trial(view(), A))
    assert refuses(lambda: gate.may_begin_trial(view(current=None), B))
