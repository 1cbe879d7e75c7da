from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot_agent import events as e
from surefoot_agent.boot.fake import COUNTER, FakeBoot, Fault
from surefoot_agent.events import Effect
from surefoot_agent.machine import step
from surefoot_agent.ports import Running
from surefoot_agent.reconcile import Next, Where, decide
from surefoot_agent.record import Committed, Record
from surefoot_agent.reset_cause import Cause, Origin
from surefoot_agent.startup import Seen, begin, facts, see
from surefoot_agent.trial import Verdict
from surefoot_shared.status import AttemptState, SlotName
from tests.agent.fakes import Device
from tests.agent.test_machine import WISH
from tests.agent.test_trial import TRIAL

pytestmark = pytest.mark.usefixtures("unsynced")

S = AttemptState
A, B = SlotName.A, SlotName.B
COMMITTED = Committed("c" * 64, "1.0", A)
TRYING = Record("app", S.PROBATION, 7, WISH, 1, B, A, starts=1, activation="start-2", committed=COMMITTED)


def process(slot: SlotName, start_id: str) -> Running:
    return Running(start_id, 10, slot, "/run", "/", 1.0)


def seen(current: SlotName | None = B, running: Running | None = None, verdict: Verdict | None = None) -> Seen:
    return Seen(current, running, replace(TRIAL, verdict=verdict), COMMITTED)


def test_a_dead_application_in_probation_counts_as_a_new_start_to_come() -> None:
    assert facts(TRYING, seen(), True, 3).activation_changed
    assert not facts(TRYING, seen(running=process(B, "start-2")), True, 3).activation_changed
    assert facts(TRYING, seen(running=process(B, "start-3")), True, 3).activation_changed


@pytest.mark.parametrize("state", [S.ARMED, S.SWITCHING])
def test_after_the_flip_only_a_start_from_the_new_slot_is_an_activation(state: AttemptState) -> None:
    record = replace(TRYING, state=state, activation="start-1")

    assert not facts(record, seen(running=process(A, "start-1")), True, 3).activation_changed
    assert not facts(record, seen(), True, 3).activation_changed
    assert facts(record, seen(running=process(B, "start-2")), True, 3).activation_changed


def test_where_is_told_by_boot_control_and_the_slot_of_the_attempt() -> None:
    assert facts(TRYING, seen(B), True, 3).running is Where.NEW
    assert facts(TRYING, seen(A), True, 3).running is Where.OLD
    assert facts(TRYING, seen(None), True, 3).running is Where.NEITHER


def test_an_idle_device_is_new_where_it_committed_and_old_elsewhere() -> None:
    idle = Record("app", committed=COMMITTED)

    assert facts(idle, seen(A), True, 3).running is Where.NEW
    assert facts(idle, seen(B), True, 3).running is Where.OLD
    assert facts(Record("app"), seen(B), True, 3).running is Where.NEW


def test_an_attempt_that_has_no_slot_yet_runs_on_the_old_release() -> None:
    assert facts(replace(TRYING, state=S.CHECKING, slot=None, previous=None), seen(A), True, 3).running is Where.OLD


def test_an_unreadable_journal_is_no_state() -> None:
    assert facts(TRYING, seen(), False, 3).state is None


@pytest.mark.parametrize("cause", list(Cause))
def test_a_slot_that_the_bootloader_gave_up_is_not_tried_again_unless_power_cuts_ended_its_starts(cause: Cause) -> None:
    armed = replace(TRYING, state=S.SWITCHING)
    given_up = replace(seen(A, process(A, "boot-5")), gave_up=True, cause=cause)

    answer = decide(facts(armed, given_up, True, 3)).next

    assert answer is (Next.REARM if cause is Cause.POWER_CUT else Next.REVERTED)


def test_the_reason_says_that_the_bootloader_gave_the_slot_up() -> None:
    (event,) = begin(Next.REVERTED, TRYING, replace(seen(A), gave_up=True), 3).events

    assert isinstance(event, e.Unhealthy)
    assert (event.reason, event.cause) == ("boot_failed", "unexplained")
    assert "The bootloader used up the starts of the new slot" in event.message


def test_what_the_bootloader_gave_up_is_read_and_the_old_slots_own_shutdown_is_not_taken_for_the_cause(
    tmp_path: Path,
) -> None:
    boot = FakeBoot(fault=Fault.NEW_SLOT_NEVER_STARTS, nature=COUNTER)
    boot.arm_trial(B)
    boot.restart()
    origin = Origin("boot-2", Cause.CLEAN_RESTART)
    hands = replace(Device(tmp_path).hands(), boot=boot, origin=origin)

    found = see(hands, replace(TRYING, boot="boot-1"))
    elsewhere = see(hands, replace(TRYING, slot=A, previous=B, boot="boot-1"))

    assert (found.current, found.gave_up, found.cause) == (A, True, Cause.UNEXPLAINED)
    assert (elsewhere.gave_up, elsewhere.cause) == (False, Cause.CLEAN_RESTART)


def test_tries_end_with_the_starts_of_the_application_or_of_the_machine() -> None:
    assert facts(TRYING, seen(), True, 2).tries_left
    assert not facts(TRYING, seen(), True, 1).tries_left
    machine = replace(seen(), trial=replace(TRIAL, starts=TRIAL.max_starts + 1))
    assert not facts(TRYING, machine, True, 9).tries_left


RECORDS = {
    state: replace(
        TRYING,
        state=state,
        **({"wish": None, "slot": None, "previous": None} if state is S.IDLE else {}),
        **({"slot": None, "previous": None} if state in (S.OFFERED, S.CHECKING) else {}),
    )
    for state in AttemptState
}


PROCESSES = (None, process(A, "start-1"), process(B, "start-2"), process(B, "start-9"))


@pytest.mark.parametrize("state", list(AttemptState))
def test_whatever_is_found_what_follows_is_something_the_machine_allows(state: AttemptState) -> None:
    everything = itertools.product((A, B, None), PROCESSES, (None, *Verdict), (1, 3))

    for current, running, verdict, limit in everything:
        record = RECORDS[state]
        found = replace(seen(current, running, verdict), committed=COMMITTED if current else None)
        answer = decide(facts(record, found, True, limit)).next
        first = begin(answer, record, found, limit)
        for event in first.events:
            record, _ = step(record, event)
        assert state is S.IDLE or first.events or first.effects, f"{answer} leaves {state.value} waiting for nothing"


@pytest.mark.parametrize("cause", list(Cause))
def test_what_ended_the_start_is_told_in_words_and_counted(cause: Cause) -> None:
    found = replace(seen(), cause=cause)

    (died,) = begin(Next.NEXT_TRY, TRYING, found, 3).events
    (rearmed,) = begin(Next.REARM, TRYING, found, 3).events
    (reverted,) = begin(Next.REVERTED, TRYING, found, 3).events

    assert isinstance(died, e.Died)
    assert isinstance(reverted, e.Unhealthy)
    assert (died.cause, rearmed, reverted.cause) == (cause, e.Rearm(cause), cause.value)
    assert died.message in reverted.message


def test_a_second_panic_leaves_no_try_where_a_second_power_cut_does() -> None:
    once = replace(TRYING, falls={"panic": 1, "power_cut": 1})

    assert not facts(once, replace(seen(), cause=Cause.PANIC), True, 3).tries_left
    assert facts(once, replace(seen(), cause=Cause.POWER_CUT), True, 3).tries_left


def test_a_start_of_another_boot_was_ended_by_what_ended_the_boot(tmp_path: Path) -> None:
    device = Device(tmp_path)
    record = replace(TRYING, boot=device.world.boot_id())
    assert see(device.hands(), record).cause is Cause.APPLICATION_DIED

    device.restart(Cause.WATCHDOG)

    assert see(device.hands(), record).cause is Cause.WATCHDOG


def test_nothing_is_done_about_an_unreadable_journal() -> None:
    first = begin(Next.REPORT_ONLY, TRYING, seen(), 3)

    assert (first.events, first.effects, first.settle) == ((), (), True)  # what is linked runs


def test_going_on_in_probation_watches_and_starts_nothing() -> None:
    first = begin(Next.GO_ON, TRYING, seen(), 3)

    assert (first.events, first.effects, first.settle) == ((), (Effect.WATCH,), False)


def test_the_guards_verdict_becomes_the_reason() -> None:
    (event,) = begin(Next.REVERTED, TRYING, seen(verdict=Verdict.GUARD), 3).events

    assert isinstance(event, e.Unhealthy)
    assert event.reason == "no_verdict"


def test_a_provisioned_device_is_remembered_as_committed_once() -> None:
    assert begin(Next.SETTLED, Record("app"), seen(), 3).events == (e.Running(COMMITTED),)
    assert begin(Next.SETTLED, Record("app", committed=COMMITTED), seen(), 3).events == ()


def test_a_device_is_looked_at_without_being_changed(tmp_path: Path) -> None:
    device = Device(tmp_path)
    (device.component_dir / "current").unlink()
    device.world.trace.clear()

    found = see(device.hands(), Record("app"))

    assert (found.current, found.running, found.trial, found.committed) == (None, None, None, None)
    assert device.world.trace == []
