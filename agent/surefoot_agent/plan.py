"""Turn what verified metadata wants into what happens to the attempt; and say when a staged release may switch.

Promises: pure; a decision that was seen before, late or twice, gives nothing; a newer wish is taken from idle only, so
the attempt before always ends first, with an outcome of its own. A halt never blocks a revert or a commit (DESIGN §6).
Newer is what has a higher number, or another assignment under a newer root of the director: whoever stole its key may
have used up the numbers, and the offline keys that replaced it must be enough to go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from surefoot_agent import events as e
from surefoot_agent.ports import Decision, Refusal, Wish
from surefoot_agent.record import Record
from surefoot_shared.messages import RunningProof
from surefoot_shared.status import AFTER_ARMED, BEFORE_ARMED, AttemptState, Outcome


def plan(record: Record, decision: Decision, proof: RunningProof | None) -> tuple[e.Event, ...]:
    """Return the events to play, in order. `proof` is of what runs committed from the current slot, or None."""
    listed = halt(record, decision.halt_epoch, decision.halted, decision.halt_root)
    wish = next((w for w in decision.wishes if w.component == record.component), None)
    refusal = next((r for r in decision.refusals if r.component == record.component), None)
    is_older = (decision.halt_root, decision.halt_epoch) < (record.halt_root, record.halt_epoch)
    halted = record.halted if is_older else decision.halted
    if record.state is AttemptState.IDLE:
        return (*listed[:1], *_from_idle(record, wish, refusal, proof, halted))
    if record.state in BEFORE_ARMED:
        ordered = _before_armed(record, wish, refusal)
        return (*listed[:1], *ordered) if _ends(ordered) else (*listed, *ordered)
    if record.state is AttemptState.RESCUE:
        return (*listed, *_from_rescue(record, wish))
    return (*listed, *(_after_armed(record, wish, refusal) if record.state in AFTER_ARMED else ()))


def halt(record: Record, epoch: int, digests: tuple[str, ...], root: int = 0) -> tuple[e.Event, ...]:
    """Return what a verified halt list does: it is kept, and it ends an attempt that is not armed."""
    held = (record.halt_root, record.halt_epoch)
    if (root, epoch) < held:
        return ()
    kept = (e.HaltListed(epoch, digests, root),) if (root, epoch) > held else ()
    concerned = record.wish is not None and record.wish.digest in digests and record.state in BEFORE_ARMED
    return (*kept, e.Halted()) if concerned else kept


def wanted(record: Record, decision: Decision | None) -> bool:
    """Say whether an idle device has something newer to begin, or one in rescue something else to try."""
    if decision is not None and record.state is AttemptState.RESCUE:
        return any(_from_rescue(record, wish) for wish in decision.wishes if wish.component == record.component)
    if decision is None or record.state is not AttemptState.IDLE:
        return False
    said: tuple[Wish | Refusal, ...] = (*decision.wishes, *decision.refusals)
    return any(_newer(record, each) for each in said if each.component == record.component)


@dataclass(frozen=True, slots=True)
class Waits:
    """A staged release does not switch yet; `why` is a sentence without its full stop."""

    why: str


def came(record: Record, now: datetime, held: str | None) -> e.TurnCame | e.WindowsOver | e.StepFailed | Waits:
    """Return whether the attempt may switch now, or give up the only place, or waits."""
    assert record.wish is not None  # a turn is awaited with a wish
    if record.wish.shadow is not None:  # nothing is given up for one, whatever else is ordered
        full = e.StepFailed(Outcome.REFUSED, "no_space", "There is no room for a second release.")
        return full if record.full else Waits("runs beside the live release")
    if record.vacated:
        return e.TurnCame()  # nothing runs until it switches: no window and no lock is worth that
    if record.full and not record.wish.recreate:
        return e.StepFailed(Outcome.REFUSED, "no_space", "There is no room for a second release.")
    return turn(record.wish, now, held)


def turn(wish: Wish, now: datetime, held: str | None) -> e.TurnCame | e.WindowsOver | Waits:
    """Return whether a staged release may switch now, never will, or waits. `held` is what holds it back, in words."""
    try:
        windows = [(_utc(start), _utc(end)) for start, end in wish.windows]
    except ValueError:
        return e.WindowsOver()  # signed, but no time: it can never come
    if windows and all(end <= now for _, end in windows):
        return e.WindowsOver()
    if not wish.activate:
        return Waits("waits for the order to switch")
    if windows and not any(start <= now < end for start, end in windows):
        opens = min(start for start, end in windows if start > now)
        return Waits(f"waits for its window, which opens at {opens.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC")
    return Waits(f"waits: {held}") if held else e.TurnCame()


def _from_idle(
    record: Record, wish: Wish | None, refusal: Refusal | None, proof: RunningProof | None, halted: tuple[str, ...]
) -> tuple[e.Event, ...]:
    if refusal is not None and _newer(record, refusal):
        return (e.Refused(refusal),)
    if wish is None or not _newer(record, wish):
        return ()
    if proof is not None and proof.digest == wish.digest:
        return (e.AlreadyThere(wish, proof),)
    if record.committed is not None and record.committed.digest == wish.digest:
        return ()  # it is the committed one and does not run at this moment: claimed once it does
    if wish.digest in halted:
        joint, why = wish.joint.id if wish.joint else None, "The release is on the halt list."
        reason = Refusal(wish.assignment, wish.component, wish.seq, "halted", why, joint, wish.root)
        return (e.Refused(reason),)
    return (e.Assigned(wish),)


def _before_armed(record: Record, wish: Wish | None, refusal: Refusal | None) -> tuple[e.Event, ...]:
    assert record.wish is not None  # every state before armed has a wish
    if refusal is not None:  # of this very assignment: it was decided before and is never decided again
        return (e.Superseded(),) if _newer(record, refusal) else ()
    if wish is None:
        return (e.Withdrawn(),)
    if not _newer(record, wish):
        return ()
    if wish.digest != record.wish.digest:
        return (e.Superseded(),)
    same = wish.assignment == record.wish.assignment
    return (e.Renewed(wish) if same else e.Replaced(wish),)


def _after_armed(record: Record, wish: Wish | None, refusal: Refusal | None) -> tuple[e.Event, ...]:
    assert record.wish is not None  # every state from armed on has a wish
    if wish is None and refusal is None:
        return (e.OrderedBack("The assignment was withdrawn while its release was on trial."),)
    if wish is not None and _newer(record, wish) and wish.digest != record.wish.digest:
        return (e.OrderedBack("Another release was assigned while this one was on trial."),)
    return ()


def _from_rescue(record: Record, wish: Wish | None) -> tuple[e.Event, ...]:
    """A device whose two slots are both of no use may be given a third release; a set is ended as a whole."""
    if record.wish is None or record.wish.joint is not None or wish is None or not _newer(record, wish):
        return ()
    return (e.Superseded(),) if wish.digest != record.wish.digest else ()


def _newer(record: Record, said: Wish | Refusal) -> bool:
    known = {record.wish.assignment if record.wish else "", record.ended.assignment if record.ended else ""}
    return said.seq > record.seq or (said.root > record.seq_root and said.assignment not in known)


def _ends(ordered: tuple[e.Event, ...]) -> bool:
    return any(isinstance(event, (e.Superseded, e.Withdrawn)) for event in ordered)


def _utc(text: str) -> datetime:
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at if at.tzinfo is not None else at.replace(tzinfo=timezone.utc)
