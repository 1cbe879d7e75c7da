"""Read what the start-up table needs to know, and turn its answer into the events and effects that follow.

Promises: reads only; the decision is `reconcile`'s. Directory slots: boot control's link says what runs, the start id
of the application says whether a new start took place.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from surefoot_agent import effects, sight, tries
from surefoot_agent import events as e
from surefoot_agent.events import Effect
from surefoot_agent.machine import RESUME
from surefoot_agent.ports import Running
from surefoot_agent.reconcile import Facts, Next, Where
from surefoot_agent.record import Committed, Record
from surefoot_agent.reset_cause import Cause
from surefoot_agent.sight import Hands
from surefoot_agent.trial import Trial, Verdict
from surefoot_shared.errors import SurefootError
from surefoot_shared.status import AttemptState, SlotName

NEXT_TRY: Mapping[Cause, str] = {
    Cause.POWER_CUT: "The power was cut while it was on trial.",
    Cause.PANIC: "The kernel panicked while it was on trial.",
    Cause.WATCHDOG: "The watchdog reset the machine while it was on trial.",
    Cause.CLEAN_RESTART: "The machine was restarted while it was on trial.",
    Cause.UNEXPLAINED: "The machine started anew while it was on trial, and nothing says why.",
    Cause.APPLICATION_DIED: "The application on trial ended or started anew while the agent was away.",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the device shows at start-up."""

    current: SlotName | None
    running: Running | None
    trial: Trial | None
    committed: Committed | None
    cause: Cause = Cause.UNEXPLAINED
    """What ended the last start of the release on trial, if anything did."""
    boot_id: str | None = None
    gave_up: bool = False
    """The bootloader used up every start that it had granted the slot on trial, and no agent said a word in them."""
    stranger: bool = False
    """A trial is open that the journal does not know, so the journal has lost its memory."""


@dataclass(frozen=True, slots=True)
class Begin:
    """What the runner does first: events to play, then effects to order; `settle` starts the current application."""

    events: tuple[e.Event, ...] = ()
    effects: tuple[Effect, ...] = ()
    settle: bool = False


def see(hands: Hands, record: Record) -> Seen:
    current: SlotName | None = None
    committed: Committed | None = None
    gave_up: SlotName | None = None
    with suppress(SurefootError):  # a damaged link: neither slot is shown
        current = hands.boot.current()
        committed = sight.committed(hands)
        gave_up = hands.boot.trial().gave_up
    trial = hands.trials.of(record.wish.assignment, record.attempt) if record.wish else None
    cause = hands.origin.ended(record.boot)
    running, boot_id = hands.application.running(), hands.clock.boot_id()
    left = gave_up is not None and gave_up is record.slot
    return Seen(current, running, trial, committed, _last(cause, left), boot_id, left, stranger(hands, record))


def stranger(hands: Hands, record: Record) -> bool:
    """Whether a trial is open that is neither of the attempt nor of the one that ended last.

    A journal whose log was damaged opens as it was before the log, or empty, and no check of it can tell.
    """
    trial, ended = hands.trials.read(), record.ended
    known = {(ended.assignment, ended.attempt)} if ended else set()
    if record.wish is not None:
        known.add((record.wish.assignment, record.attempt))
    return trial is not None and trial.is_open and (trial.assignment, trial.attempt) not in known


def facts(record: Record, seen: Seen, readable: bool, max_starts: int) -> Facts:
    where = _where(record, seen.current)
    by_machine = seen.trial is None or seen.trial.starts <= seen.trial.max_starts
    return Facts(
        running=where,
        state=record.state if readable else None,
        activation_changed=_activation_changed(record, seen, where),
        verdict=seen.trial.verdict if seen.trial else None,
        tries_left=tries.left(record.falls, seen.cause, max_starts) and by_machine and not _used_up(seen),
    )


def begin(answer: Next, record: Record, seen: Seen, max_starts: int) -> Begin:
    """Return what follows from the table's answer."""
    match answer:
        case Next.REPORT_ONLY:
            return Begin(settle=True)  # what is linked runs; a trial that is open is the guard's
        case Next.SETTLED:
            known = record.committed or seen.committed
            return Begin((e.Running(known),) if known and record.committed is None else (), settle=True)
        case Next.RESUME:
            quiet = (AttemptState.REVERTING, AttemptState.RESCUE)
            return Begin(effects=RESUME[record.state], settle=record.state not in quiet)
        case Next.REPEAT_SWITCH:
            return Begin((e.NotTaken(),))
        case Next.REARM:
            return Begin((e.Rearm(seen.cause),))
        case Next.REVERTED:
            return Begin((_verdict(seen),))
        case Next.FIRST_TRY:
            return Begin((e.Switched(seen.running.start_id if seen.running else "", seen.boot_id),))
        case Next.RESTART if record.state is AttemptState.ARMED:
            return Begin((e.Flipped(),))
        case Next.COMMIT_AGAIN if record.state is AttemptState.PROBATION:
            return Begin((e.Healthy(record.soak_s),))
        case Next.NEXT_TRY:
            return Begin((e.Died(NEXT_TRY[seen.cause], max_starts, seen.cause),))
        case Next.COMMIT_LOST:
            return Begin((e.CommitLost("The old release runs although the new one was being committed."),))
        case Next.STRAYED:
            return Begin((e.Strayed(),))
        case Next.FELL_BACK:
            return Begin((_fell_back(seen),) if seen.committed else (), settle=True)
        case Next.RESCUE:
            return Begin((e.Stuck("Boot control shows neither slot."),))
        case _:  # RESTART, GO_ON, COMMIT_AGAIN: the state is right, its effect is ordered again
            return Begin(effects=RESUME[record.state])


def _last(cause: Cause, gave_up: bool) -> Cause:
    """What ended the last start. A shutdown in order was that of the old slot, where the new one never got so far."""
    return Cause.UNEXPLAINED if gave_up and cause is Cause.CLEAN_RESTART else cause


def _used_up(seen: Seen) -> bool:
    """The bootloader's count is as good as ours, unless it counted power cuts."""
    return seen.gave_up and seen.cause is not Cause.POWER_CUT


def _where(record: Record, current: SlotName | None) -> Where:
    if current is None:
        return Where.NEITHER
    if record.state is AttemptState.IDLE:
        return Where.NEW if record.committed is None or record.committed.slot is current else Where.OLD
    return Where.NEW if current is record.slot else Where.OLD


def _activation_changed(record: Record, seen: Seen, where: Where) -> bool:
    if where is Where.NEW and record.state in (AttemptState.ARMED, AttemptState.SWITCHING):
        # only a start from the new slot counts; a dead application, or the old one still running, has yet to be started
        started = seen.running is not None and seen.running.slot is record.slot
        return started and seen.running is not None and seen.running.start_id != record.activation
    return seen.running is None or seen.running.start_id != record.activation


def _verdict(seen: Seen) -> e.Event:
    if seen.trial is not None and seen.trial.verdict in (Verdict.UNHEALTHY, Verdict.GUARD):
        return effects.against(seen.trial)
    left = "The bootloader used up the starts of the new slot" if seen.gave_up else "The new slot was left"
    message = f"{left} without a verdict. {NEXT_TRY[seen.cause]}"
    return e.Unhealthy("boot_failed", message, cause=seen.cause.value)


def _fell_back(seen: Seen) -> e.Event:
    assert seen.committed is not None  # the caller asked
    return e.FellBack(seen.committed, f"Release {seen.committed.release} runs again without an order.")
