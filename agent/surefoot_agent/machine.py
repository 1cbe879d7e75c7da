"""The life of an attempt as one table, (state, event) → (state, effects), and `step`: nothing else changes the state.

Promises: pure; the table below is the whole specification and the diagram in ARCHITECTURE.md is drawn from it
(`to_mermaid`). Refuses: any pair that is not in the table (Undefined). Whoever calls saves the new record before the
first effect, and every effect may run twice. DESIGN §5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from surefoot_agent import events as e
from surefoot_agent import tries
from surefoot_agent.events import Effect, Event
from surefoot_agent.ports import Wish
from surefoot_agent.record import Committed, Ended, Ending, Record
from surefoot_agent.reset_cause import Cause
from surefoot_shared.messages import RunningProof
from surefoot_shared.status import AFTER_ARMED, BEFORE_ARMED, AttemptState, Outcome

SWITCH_TRIES = 3
"""A switch without effect is repeated this often (DESIGN §5); a board that ignores three ignores them all."""
BACK_TRIES = 5
"""Failed ways back before the device counts as in need of rescue; it still goes on trying, slowly."""
CLEAN_TRIES = 3
"""A slot that cannot be emptied stays marked bad, which is all that safety needs."""


class Undefined(Exception):
    """An event that the table does not allow in this state: a bug of ours."""


IDLE, OFFERED, CHECKING, DOWNLOADING = (
    AttemptState.IDLE,
    AttemptState.OFFERED,
    AttemptState.CHECKING,
    AttemptState.DOWNLOADING,
)
VERIFIED, STAGED, ARMED, SWITCHING = (
    AttemptState.VERIFIED,
    AttemptState.STAGED,
    AttemptState.ARMED,
    AttemptState.SWITCHING,
)
PROBATION, COMMITTING, REVERTING, CLEANING, RESCUE = (
    AttemptState.PROBATION,
    AttemptState.COMMITTING,
    AttemptState.REVERTING,
    AttemptState.CLEANING,
    AttemptState.RESCUE,
)

Row = tuple[AttemptState, tuple[Effect, ...]]
E = Effect

# fmt: off
TRANSITIONS: Mapping[tuple[AttemptState, type[Event]], Row] = {
    (IDLE,        e.Assigned):     (OFFERED,     (E.REPORT, E.BEGIN)),
    (IDLE,        e.AlreadyThere): (IDLE,        (E.REPORT_OUTCOME,)),
    (IDLE,        e.Refused):      (IDLE,        (E.REPORT_OUTCOME,)),
    (IDLE,        e.Running):      (IDLE,        ()),
    (IDLE,        e.FellBack):     (IDLE,        (E.REPORT_FELL_BACK,)),
    (IDLE,        e.HaltListed):   (IDLE,        ()),
    (IDLE,        e.Stuck):        (RESCUE,      (E.REPORT, E.RETRY_LATER)),

    (OFFERED,     e.Begun):        (CHECKING,    (E.REPORT, E.PREFLIGHT)),
    (OFFERED,     e.Renewed):      (OFFERED,     ()),
    (OFFERED,     e.Replaced):     (OFFERED,     (E.REPORT_OUTCOME, E.REPORT)),
    (OFFERED,     e.Superseded):   (CLEANING,    (E.REPORT, E.CLEAN)),
    (OFFERED,     e.Withdrawn):    (CLEANING,    (E.REPORT, E.CLEAN)),
    (OFFERED,     e.Halted):       (CLEANING,    (E.REPORT, E.CLEAN)),
    (OFFERED,     e.SetBroken):    (CLEANING,    (E.REPORT, E.CLEAN)),
    (OFFERED,     e.HaltListed):   (OFFERED,     ()),
    (OFFERED,     e.Stuck):        (RESCUE,      (E.REPORT, E.RETRY_LATER)),

    (CHECKING,    e.CheckPassed):  (DOWNLOADING, (E.REPORT, E.ASK_LEASE)),
    (CHECKING,    e.SlotHeld):     (VERIFIED,    (E.REPORT, E.SEAL)),
    (CHECKING,    e.RoomForOne):   (CHECKING,    (E.REPORT, E.WAIT_TURN)),
    (CHECKING,    e.TurnCame):     (CHECKING,    (E.REPORT, E.VACATE)),
    (CHECKING,    e.Vacated):      (DOWNLOADING, (E.REPORT, E.ASK_LEASE)),
    (CHECKING,    e.WindowsOver):  (CLEANING,    (E.REPORT, E.CLEAN)),
    (CHECKING,    e.StepFailed):   (CLEANING,    (E.REPORT, E.CLEAN)),
    (CHECKING,    e.Renewed):      (CHECKING,    ()),
    (CHECKING,    e.Replaced):     (CHECKING,    (E.REPORT_OUTCOME, E.REPORT)),
    (CHECKING,    e.Superseded):   (CLEANING,    (E.REPORT, E.CLEAN)),
    (CHECKING,    e.Withdrawn):    (CLEANING,    (E.REPORT, E.CLEAN)),
    (CHECKING,    e.Halted):       (CLEANING,    (E.REPORT, E.CLEAN)),
    (CHECKING,    e.SetBroken):    (CLEANING,    (E.REPORT, E.CLEAN)),
    (CHECKING,    e.HaltListed):   (CHECKING,    ()),
    (CHECKING,    e.Stuck):        (RESCUE,      (E.REPORT, E.RETRY_LATER)),

    (DOWNLOADING, e.LeaseGiven):   (DOWNLOADING, (E.DOWNLOAD,)),
    (DOWNLOADING, e.LeaseEnded):   (DOWNLOADING, (E.ASK_LEASE,)),
    (DOWNLOADING, e.Interrupted):  (DOWNLOADING, (E.RETRY_LATER,)),
    (DOWNLOADING, e.RetryDue):     (DOWNLOADING, (E.ASK_LEASE,)),
    (DOWNLOADING, e.Downloaded):   (VERIFIED,    (E.REPORT, E.SEAL)),
    (DOWNLOADING, e.StepFailed):   (CLEANING,    (E.REPORT, E.CLEAN)),
    (DOWNLOADING, e.Renewed):      (DOWNLOADING, ()),
    (DOWNLOADING, e.Replaced):     (DOWNLOADING, (E.REPORT_OUTCOME, E.REPORT, E.ASK_LEASE)),
    (DOWNLOADING, e.Superseded):   (CLEANING,    (E.REPORT, E.CLEAN)),
    (DOWNLOADING, e.Withdrawn):    (CLEANING,    (E.REPORT, E.CLEAN)),
    (DOWNLOADING, e.Halted):       (CLEANING,    (E.REPORT, E.CLEAN)),
    (DOWNLOADING, e.SetBroken):    (CLEANING,    (E.REPORT, E.CLEAN)),
    (DOWNLOADING, e.HaltListed):   (DOWNLOADING, ()),
    (DOWNLOADING, e.Strayed):      (REVERTING,   (E.REPORT, E.STORE_REPORT)),
    (DOWNLOADING, e.Stuck):        (RESCUE,      (E.REPORT, E.RETRY_LATER)),

    (VERIFIED,    e.Sealed):       (STAGED,      (E.REPORT, E.WAIT_TURN)),
    (VERIFIED,    e.StepFailed):   (CLEANING,    (E.REPORT, E.CLEAN)),
    (VERIFIED,    e.Renewed):      (VERIFIED,    ()),
    (VERIFIED,    e.Replaced):     (VERIFIED,    (E.REPORT_OUTCOME, E.REPORT)),
    (VERIFIED,    e.Superseded):   (CLEANING,    (E.REPORT, E.CLEAN)),
    (VERIFIED,    e.Withdrawn):    (CLEANING,    (E.REPORT, E.CLEAN)),
    (VERIFIED,    e.Halted):       (CLEANING,    (E.REPORT, E.CLEAN)),
    (VERIFIED,    e.SetBroken):    (CLEANING,    (E.REPORT, E.CLEAN)),
    (VERIFIED,    e.HaltListed):   (VERIFIED,    ()),
    (VERIFIED,    e.Strayed):      (REVERTING,   (E.REPORT, E.STORE_REPORT)),
    (VERIFIED,    e.Stuck):        (RESCUE,      (E.REPORT, E.RETRY_LATER)),

    (STAGED,      e.Sealed):       (STAGED,      (E.WAIT_TURN,)),
    (STAGED,      e.TurnCame):     (STAGED,      (E.MEASURE,)),
    (STAGED,      e.Measured):     (ARMED,       (E.REPORT, E.ARM)),
    (STAGED,      e.Shadowed):     (IDLE,        (E.REPORT_OUTCOME, E.TAKE_NEXT)),
    (STAGED,      e.WindowsOver):  (CLEANING,    (E.REPORT, E.CLEAN)),
    (STAGED,      e.StepFailed):   (CLEANING,    (E.REPORT, E.CLEAN)),
    (STAGED,      e.Renewed):      (STAGED,      (E.WAIT_TURN,)),
    (STAGED,      e.Replaced):     (STAGED,      (E.REPORT_OUTCOME, E.REPORT, E.WAIT_TURN)),
    (STAGED,      e.Superseded):   (CLEANING,    (E.REPORT, E.CLEAN)),
    (STAGED,      e.Withdrawn):    (CLEANING,    (E.REPORT, E.CLEAN)),
    (STAGED,      e.Halted):       (CLEANING,    (E.REPORT, E.CLEAN)),
    (STAGED,      e.SetBroken):    (CLEANING,    (E.REPORT, E.CLEAN)),
    (STAGED,      e.HaltListed):   (STAGED,      ()),
    (STAGED,      e.Strayed):      (REVERTING,   (E.REPORT, E.STORE_REPORT)),
    (STAGED,      e.Stuck):        (RESCUE,      (E.REPORT, E.RETRY_LATER)),

    (ARMED,       e.Flipped):      (SWITCHING,   (E.REPORT, E.SWITCH)),
    (ARMED,       e.Switched):     (PROBATION,   (E.REPORT, E.WATCH)),
    (ARMED,       e.NotTaken):     (ARMED,       (E.RETRY_LATER,)),
    (ARMED,       e.NeverTook):    (CLEANING,    (E.REPORT, E.CLEAN)),
    (ARMED,       e.RetryDue):     (ARMED,       (E.ARM,)),
    (ARMED,       e.Rearm):        (ARMED,       (E.ARM,)),
    (ARMED,       e.StepFailed):   (REVERTING,   (E.REPORT, E.STORE_REPORT)),
    (ARMED,       e.Unhealthy):    (REVERTING,   (E.REPORT, E.STORE_REPORT)),
    (ARMED,       e.OrderedBack):  (REVERTING,   (E.REPORT, E.STORE_REPORT)),
    (ARMED,       e.HaltListed):   (ARMED,       ()),
    (ARMED,       e.Stuck):        (RESCUE,      (E.REPORT, E.RETRY_LATER)),

    (SWITCHING,   e.Switched):     (PROBATION,   (E.REPORT, E.WATCH)),
    (SWITCHING,   e.NotTaken):     (ARMED,       (E.REPORT, E.RETRY_LATER)),
    (SWITCHING,   e.NeverTook):    (CLEANING,    (E.REPORT, E.CLEAN)),
    (SWITCHING,   e.Rearm):        (ARMED,       (E.REPORT, E.ARM)),
    (SWITCHING,   e.StepFailed):   (REVERTING,   (E.REPORT, E.STORE_REPORT)),
    (SWITCHING,   e.Unhealthy):    (REVERTING,   (E.REPORT, E.STORE_REPORT)),
    (SWITCHING,   e.OrderedBack):  (REVERTING,   (E.REPORT, E.STORE_REPORT)),
    (SWITCHING,   e.HaltListed):   (SWITCHING,   ()),
    (SWITCHING,   e.Stuck):        (RESCUE,      (E.REPORT, E.RETRY_LATER)),

    (PROBATION,   e.Healthy):      (COMMITTING,  (E.REPORT, E.COMMIT)),
    (PROBATION,   e.Unhealthy):    (REVERTING,   (E.REPORT, E.STORE_REPORT)),
    (PROBATION,   e.StepFailed):   (REVERTING,   (E.REPORT, E.STORE_REPORT)),
    (PROBATION,   e.Died):         (SWITCHING,   (E.REPORT, E.SWITCH)),
    (PROBATION,   e.Rearm):        (ARMED,       (E.REPORT, E.ARM)),
    (PROBATION,   e.OrderedBack):  (REVERTING,   (E.REPORT, E.STORE_REPORT)),
    (PROBATION,   e.HaltListed):   (PROBATION,   ()),
    (PROBATION,   e.Stuck):        (RESCUE,      (E.REPORT, E.RETRY_LATER)),

    (COMMITTING,  e.CommitHeld):   (IDLE,        (E.REPORT_OUTCOME, E.RAISE_FLOORS, E.TAKE_NEXT)),
    (COMMITTING,  e.StepFailed):   (COMMITTING,  (E.RETRY_LATER,)),
    (COMMITTING,  e.RetryDue):     (COMMITTING,  (E.COMMIT,)),
    (COMMITTING,  e.Unhealthy):    (REVERTING,   (E.REPORT, E.STORE_REPORT)),
    (COMMITTING,  e.CommitLost):   (REVERTING,   (E.REPORT, E.STORE_REPORT)),
    (COMMITTING,  e.HaltListed):   (COMMITTING,  ()),
    (COMMITTING,  e.Stuck):        (RESCUE,      (E.REPORT, E.RETRY_LATER)),

    (REVERTING,   e.ReportStored): (REVERTING,   (E.REVERT,)),
    (REVERTING,   e.SetCommitted): (COMMITTING,  (E.REPORT, E.COMMIT)),
    (REVERTING,   e.WentBack):     (IDLE,        (E.REPORT_OUTCOME, E.TAKE_NEXT)),
    (REVERTING,   e.StepFailed):   (REVERTING,   (E.RETRY_LATER,)),
    (REVERTING,   e.RetryDue):     (REVERTING,   (E.REVERT,)),
    (REVERTING,   e.Stuck):        (RESCUE,      (E.REPORT, E.RETRY_LATER)),
    (REVERTING,   e.HaltListed):   (REVERTING,   ()),

    (CLEANING,    e.Cleaned):      (IDLE,        (E.REPORT_OUTCOME, E.TAKE_NEXT)),
    (CLEANING,    e.StepFailed):   (CLEANING,    (E.RETRY_LATER,)),
    (CLEANING,    e.RetryDue):     (CLEANING,    (E.CLEAN,)),
    (CLEANING,    e.HaltListed):   (CLEANING,    ()),
    (CLEANING,    e.Stuck):        (RESCUE,      (E.REPORT, E.RETRY_LATER)),

    (RESCUE,      e.RetryDue):     (RESCUE,      (E.REVERT,)),
    (RESCUE,      e.StepFailed):   (RESCUE,      (E.RETRY_LATER,)),
    (RESCUE,      e.WentBack):     (IDLE,        (E.REPORT_OUTCOME, E.TAKE_NEXT)),
    (RESCUE,      e.HaltListed):   (RESCUE,      ()),
    (RESCUE,      e.Superseded):   (IDLE,        (E.REPORT_OUTCOME, E.TAKE_NEXT)),
}

RESUME: Mapping[AttemptState, tuple[Effect, ...]] = {
    IDLE:        (),
    OFFERED:     (E.BEGIN,),
    CHECKING:    (E.PREFLIGHT,),
    DOWNLOADING: (E.ASK_LEASE,),
    VERIFIED:    (E.SEAL,),
    STAGED:      (E.SEAL,),
    ARMED:       (E.ARM,),
    SWITCHING:   (E.SWITCH,),
    PROBATION:   (E.WATCH,),
    COMMITTING:  (E.COMMIT,),
    REVERTING:   (E.STORE_REPORT,),
    CLEANING:    (E.CLEAN,),
    RESCUE:      (E.RETRY_LATER,),
}
"""What a restarted agent orders again, where the start-up table says that the step goes on."""
# fmt: on


def step(record: Record, event: Event) -> tuple[Record, tuple[Effect, ...]]:
    """Return the next record and the effects to run once it is saved. Raises Undefined."""
    event = _exhausted(record, event)
    row = TRANSITIONS.get((record.state, type(event)))
    if row is None:
        raise Undefined(f"{type(event).__name__} in {record.state.value}")
    state, effects = row
    after = replace(_remember(record, event), state=state)
    return (after if state is record.state else replace(after, retries=0)), effects


def to_mermaid() -> str:
    """Draw the table: one arrow for each pair of states, labelled with the events that lead along it."""
    arrows: dict[tuple[AttemptState, AttemptState], list[str]] = {}
    for (state, event), (to, _) in TRANSITIONS.items():
        if state is not to:
            arrows.setdefault((state, to), []).append(event.__name__)
    lines = [f"    {a.value} --> {b.value}: {', '.join(names)}" for (a, b), names in arrows.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> idle", *lines]) + "\n"


def _exhausted(record: Record, event: Event) -> Event:
    """Where the last try was used up, the same happening means the end of the trying."""
    if isinstance(event, e.NotTaken) and record.switches + 1 >= SWITCH_TRIES:
        return e.NeverTook()
    if isinstance(event, e.Died) and not tries.left(record.falls, event.cause, event.max_starts):
        message = f"{event.message} That was start {record.starts}; it was ended by {event.cause.value}."
        return e.Unhealthy("too_many_tries", message, cause=event.cause.value)
    if isinstance(event, e.StepFailed) and record.state is REVERTING and record.retries + 1 >= BACK_TRIES:
        return e.Stuck(event.message)
    if isinstance(event, e.StepFailed) and record.state is CLEANING and record.retries + 1 >= CLEAN_TRIES:
        return e.Cleaned()
    return event


def _remember(record: Record, event: Event) -> Record:
    """Return the record with what the event tells; its state is set by the table alone."""
    match event:
        case e.Assigned(wish):
            again = record.ended is not None and record.ended.assignment == wish.assignment
            attempt = record.attempt + 1 if again else 1
            return replace(record, wish=wish, seq=wish.seq, seq_root=wish.root, attempt=attempt)
        case e.AlreadyThere(wish, proof):
            ended = Ended(wish.assignment, 1, Outcome.COMMITTED, proof=proof, joint=_set(wish))
            return replace(record, seq=wish.seq, seq_root=wish.root, attempt=1, ended=ended)
        case e.Refused(refusal):
            ended = Ended(refusal.assignment, 1, Outcome.REFUSED, refusal.reason, refusal.message, joint=refusal.joint)
            return replace(record, seq=refusal.seq, seq_root=refusal.root, attempt=1, ended=ended)
        case e.Renewed(wish):
            return replace(record, wish=wish, seq=wish.seq, seq_root=wish.root)
        case e.Replaced(wish):
            ended = Ended(
                _assignment(record), record.attempt, Outcome.SUPERSEDED, "superseded", joint=_set(record.wish)
            )
            return replace(record, wish=wish, seq=wish.seq, seq_root=wish.root, attempt=1, ended=ended)
        case e.HaltListed(epoch, digests, root):
            return replace(record, halt_epoch=epoch, halted=digests, halt_root=root)
        case e.CheckPassed(slot, previous):
            return replace(record, slot=slot, previous=previous, previous_kept=False, full=False)
        case e.RoomForOne(slot, previous):
            return replace(record, slot=slot, previous=previous, full=True)
        case e.TurnCame() if record.state is CHECKING:
            return replace(record, full=False, vacated=True, committed=None, previous_kept=False)
        case e.SlotHeld(slot, previous):
            return replace(record, slot=slot, previous=previous)
        case e.Measured(baseline, activation, boot):
            return replace(record, baseline=baseline, activation=activation, boot=boot, trials=record.trials + 1)
        case e.NotTaken():
            return replace(record, switches=record.switches + 1, retries=record.retries + 1)
        case e.Switched(activation, boot):
            return replace(record, activation=activation, boot=boot, starts=record.starts + 1)
        case e.Died(cause=cause) | e.Rearm(cause=cause):
            return replace(record, falls=tries.counted(record.falls, cause))
        case e.Healthy(soak_s, doubt):
            return replace(record, soak_s=soak_s, doubt=doubt)
        case e.SetCommitted():
            return replace(record, ending=None, report=None)
        case e.Interrupted() | e.StepFailed() if TRANSITIONS[record.state, type(event)][0] is record.state:
            return replace(record, retries=record.retries + 1)
        case e.Running(committed) | e.FellBack(committed, _):
            return replace(record, committed=committed)
        case e.ReportStored(report):
            return replace(record, report=report)
        case e.CommitHeld(proof):
            return _committed(record, proof)
        case e.Shadowed(message):
            done = Ended(_assignment(record), record.attempt, Outcome.SHADOWED, message=message)
            return replace(_fresh(record), ended=done)
        case e.Cleaned(kept):
            return _ended(replace(record, previous_kept=record.previous_kept or kept))
        case e.WentBack():
            return _ended(record)
        case e.Superseded() if record.state is RESCUE:
            return _given_up(record)
        case _:
            ending = _ending(record, event)
            return record if ending is None else replace(record, ending=ending)


def _ending(record: Record, event: Event) -> Ending | None:
    """Return how the attempt will end because of this event, None where it does not."""
    match event:
        case e.Superseded():
            return Ending(Outcome.SUPERSEDED, "superseded", "A newer assignment took its place.")
        case e.Withdrawn():
            return Ending(Outcome.CANCELLED, "cancelled_by_order", "The assignment was withdrawn.")
        case e.Halted():
            return Ending(Outcome.CANCELLED, "halted", "The release is on the halt list.")
        case e.SetBroken(message):
            return Ending(Outcome.CANCELLED, "set_broken", message)
        case e.WindowsOver():
            return Ending(Outcome.REFUSED, "window_over", "The assignment's last window is over.")
        case e.OrderedBack(message):
            return Ending(Outcome.REVERTED, "reverted_by_order", message, cause="ordered")
        case e.NeverTook():
            message = f"The boot control ignored {SWITCH_TRIES} switches."
            return Ending(Outcome.FAILED, "switch_had_no_effect", message, cause="switch_without_effect")
        case e.Strayed():
            message = "The boot control points at a slot that was never armed."
            return Ending(Outcome.FAILED, "switch_had_no_effect", message, cause=Cause.UNEXPLAINED.value)
        case e.Unhealthy(reason, message, check, measured, cause, checks):
            return Ending(Outcome.REVERTED, reason, message, check, measured, cause, checks)
        case e.CommitLost(message):
            return Ending(Outcome.REVERTED, "commit_lost", message, cause=Cause.UNEXPLAINED.value)
        case e.StepFailed(outcome, reason, message):
            return Ending(Outcome.REVERTED if record.state in AFTER_ARMED else outcome, reason, message)
        case e.Stuck(message) if record.ending is None and record.wish is not None:
            outcome = Outcome.FAILED if record.state in BEFORE_ARMED else Outcome.REVERTED
            return Ending(outcome, "boot_failed", message)
        case _:
            return None


def _committed(record: Record, proof: RunningProof) -> Record:
    assert record.wish is not None  # the table leads here from committing only, which has a wish
    committed = Committed(record.wish.digest, record.wish.note.version, proof.slot)
    wish, said = record.wish, record.doubt
    ended = Ended(wish.assignment, record.attempt, Outcome.COMMITTED, message=said, proof=proof, joint=_set(wish))
    return replace(_fresh(record), committed=committed, ended=ended, previous_kept=not record.vacated)


def _ended(record: Record) -> Record:
    """Close the attempt as its ending says. A rescue without an attempt has nothing to close."""
    if record.wish is None or record.ending is None:
        return _fresh(record)
    end = record.ending
    report = record.report if end.outcome is Outcome.REVERTED else None
    wish, joint = record.wish, _set(record.wish)
    ended = Ended(wish.assignment, record.attempt, end.outcome, end.reason, end.message, report=report, joint=joint)
    kept = record.previous_kept and end.outcome is not Outcome.REVERTED  # what was tried is bad from now on
    return replace(_fresh(record), ended=ended, previous_kept=kept)


def _given_up(record: Record) -> Record:
    """Neither slot could be entered, and another release is to be tried: what failed did not come back."""
    why = record.ending or Ending(Outcome.FAILED, "boot_failed", "")
    message = f"{why.message} It could not go back either, until another release was assigned.".strip()
    ended = Ended(_assignment(record), record.attempt, Outcome.FAILED, why.reason, message)
    return replace(_fresh(record), ended=ended, previous_kept=False)


def _set(wish: Wish | None) -> str | None:
    return wish.joint.id if wish is not None and wish.joint is not None else None


def _fresh(record: Record) -> Record:
    """What outlives an attempt."""
    return Record(
        component=record.component,
        seq=record.seq,
        seq_root=record.seq_root,
        attempt=record.attempt,
        committed=record.committed,
        previous_kept=record.previous_kept,
        ended=record.ended,
        trials=record.trials,
        halted=record.halted,
        halt_epoch=record.halt_epoch,
        halt_root=record.halt_root,
    )


def _assignment(record: Record) -> str:
    return "" if record.wish is None else record.wish.assignment
