"""What the agent tells the server about its attempt: progress, outcome, late fallback, and what hello says of slots.

Promises: pure; an outcome is drafted exactly where the machine ended an attempt, so that storing it with the record
makes it one outcome per attempt; `committed` never without its proof.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from surefoot_agent import events as e
from surefoot_agent.events import Effect
from surefoot_agent.journal import Draft
from surefoot_agent.record import Ended, Record
from surefoot_shared.errors import SurefootError, UntrustedRelease
from surefoot_shared.messages import ComponentReport, Event, EventKind, RunningProof, SlotReport
from surefoot_shared.status import Ability, AttemptState, Outcome, SlotName, SlotState

OLDER = ("timestamp", "halt list has epoch")
"""Words of a rollback in what is signed anew each day: checked after the signature, so it is only an old copy."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every event of this moment carries."""

    device: str
    stream: str
    at: str
    boot_id: str


def drafts(stamp: Stamp, before: Record, event: e.Event, after: Record, effects: Sequence[Effect]) -> tuple[Draft, ...]:
    """Return the events that go into the outbox together with the new record."""
    made: list[Draft] = []
    for effect in effects:
        if effect is Effect.REPORT:
            made.append(progress(stamp, after))
        elif effect is Effect.REPORT_OUTCOME and after.ended is not None and after.ended is not before.ended:
            made.append(_outcome(stamp, after, after.ended))
        elif effect is Effect.REPORT_FELL_BACK and isinstance(event, e.FellBack):
            made.append(notice(stamp, after, EventKind.FELL_BACK, "commit_lost", event.message))
    if before.state is AttemptState.RESCUE and isinstance(event, e.WentBack):
        message = "Boot control was repaired: it enters a known slot again."
        made.append(notice(stamp, after, EventKind.NOTICE, "switch_had_no_effect", message))
    return tuple(made)


def progress(stamp: Stamp, record: Record, message: str | None = None, ratio: float | None = None) -> Draft:
    """Draft the state; `ratio` (0..1) is how far its step is."""
    ending = record.ending
    said = message if message is not None else (ending.message if ending else "")

    def draft(seq: int) -> Event:
        return Event(
            device=stamp.device,
            stream=stamp.stream,
            seq=seq,
            at=stamp.at,
            boot_id=stamp.boot_id,
            kind=EventKind.PROGRESS,
            component=record.component,
            assignment=record.wish.assignment if record.wish else None,
            attempt=record.attempt,
            state=record.state,
            reason=ending.reason if ending else None,
            message=said,
            progress=ratio,
            full=record.full,
            vacated=record.vacated,
        )

    return draft


def notice(stamp: Stamp, record: Record, kind: EventKind, reason: str | None, message: str) -> Draft:
    """Draft a fact that is no step of an attempt."""

    def draft(seq: int) -> Event:
        return Event(
            device=stamp.device,
            stream=stamp.stream,
            seq=seq,
            at=stamp.at,
            boot_id=stamp.boot_id,
            kind=kind,
            component=record.component,
            state=record.state,
            reason=reason,
            message=message,
        )

    return draft


def refusal(error: SurefootError) -> tuple[EventKind, str, str]:
    """Return what is told of a refused document; a retained copy that a restarted broker brings back harms nobody."""
    if error.kind == "metadata_rollback" and any(word in error.message for word in OLDER):
        return EventKind.NOTICE, error.kind, "The broker delivered an older bundle; it was ignored."
    security = isinstance(error, UntrustedRelease)
    return EventKind.SECURITY if security else EventKind.NOTICE, error.kind, error.message


def component_report(
    record: Record,
    slots: Mapping[SlotName, SlotReport],
    proof: RunningProof | None,
    abilities: Collection[Ability] = (),
) -> ComponentReport:
    """`proof` is of what runs now, whatever slot it runs from; without one no digest is claimed."""
    return ComponentReport(
        component=record.component,
        slot=proof.slot if proof else None,
        release=slots[proof.slot].release if proof else None,
        digest=proof.digest if proof else None,
        slots={name.value: slot for name, slot in slots.items()},
        state=record.state,
        assignment=record.wish.assignment if record.wish else None,
        seq=record.seq,
        previous_kept=record.previous_kept and _way_back(record, slots, proof),
        abilities=tuple(sorted(one.value for one in abilities)),
    )


def _way_back(record: Record, slots: Mapping[SlotName, SlotReport], proof: RunningProof | None) -> bool:
    """The slot that does not run holds a good release: after a first install it holds nothing."""
    current = proof.slot if proof else record.committed.slot if record.committed else None
    return current is not None and slots[current.other].state is SlotState.GOOD


def _outcome(stamp: Stamp, record: Record, ended: Ended) -> Draft:
    assert ended.outcome is not Outcome.COMMITTED or ended.proof is not None  # promise 2

    def draft(seq: int) -> Event:
        return Event(
            device=stamp.device,
            stream=stamp.stream,
            seq=seq,
            at=stamp.at,
            boot_id=stamp.boot_id,
            kind=EventKind.OUTCOME,
            component=record.component,
            assignment=ended.assignment,
            attempt=ended.attempt,
            state=AttemptState.IDLE,
            outcome=ended.outcome,
            reason=ended.reason,
            message=ended.message,
            proof=ended.proof,
            report=ended.report,
        )

    return draft
