"""What the privileged half lets the agent do: pure rules over what the device shows.

Promises: whoever asks, the slot that the device enters next is never written, emptied or marked bad, nor is the way
back of a trial that is not over; no slot is entered that does not hold, whole, what the release keys signed for this
hardware at or above the floors, but for the way back of a trial that has no healthy verdict, which is always open; a
commit needs its trial. A release that changes the data starts only after they were changed for it, and the one before
it only after they are back. An agent that is fully taken over can wait, go back, and choose among what may run: nothing
else. Raises Conflict or UntrustedRelease, and InstallFailed(data_irreversible) for what is too old for the data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from surefoot_agent import carry
from surefoot_agent.data import Kept
from surefoot_agent.trial import Trial, Verdict
from surefoot_shared.errors import Conflict
from surefoot_shared.release import Manifest, TargetNote, note_of
from surefoot_shared.status import SlotName, SlotState


@dataclass(frozen=True)
class View:
    """What the device shows at this moment. `running` is the slot of the live application."""

    current: SlotName | None
    primary: SlotName | None
    running: SlotName | None
    trial: Trial | None
    installed: Callable[[SlotName], Manifest | None]
    digest: Callable[[SlotName], str | None]
    state: Callable[[SlotName], SlotState]
    may_run: Callable[[TargetNote, str], None]
    """Raises UntrustedRelease."""
    refuse_revoked: Callable[[str, str], None]
    """By component and digest; raises UntrustedRelease."""
    restarts: bool = False
    """A slot is entered by a restart of the machine."""
    tried: SlotName | None = None
    """The slot that boot control has on trial, armed or entered."""
    kept: Kept | None = None
    """The record of the data."""

    @property
    def open_trial(self) -> Trial | None:
        return self.trial if self.trial is not None and self.trial.verdict is None else None

    def kept_of(self, trial: Trial) -> Kept | None:
        """The record of the data, if it belongs to this trial."""
        kept = self.kept
        same = kept is not None and (kept.assignment, kept.attempt) == (trial.assignment, trial.attempt)
        return kept if same else None

    def way(self, previous: SlotName, slot: SlotName) -> carry.Way:
        """What going from one slot to the other does with the data."""
        new = self.installed(slot)
        return carry.way(self.installed(previous), new, previous, slot) if new is not None else carry.Way()


def may_write(view: View, slot: SlotName) -> None:
    """Only the slot that nothing runs from, that nothing will enter, and that is no way back."""
    if slot in (view.current, view.primary, view.running):
        raise Conflict("conflict", f"Slot {slot.value} runs, or is entered next; it is not written.")
    if view.open_trial is not None:
        raise Conflict("conflict", "A release is on trial; neither slot is written.")
    _refuse_needed(view, slot)


def may_mark(view: View, slot: SlotName, state: SlotState) -> None:
    if state is SlotState.GOOD:
        may_enter(view, slot)
    elif slot is view.primary and not _is_tried(view, slot):
        raise Conflict("conflict", f"Slot {slot.value} is entered next; it is not marked {state.value}.")
    else:
        _refuse_needed(view, slot)


def may_arm(view: View, slot: SlotName) -> None:
    """A slot is tried only with its trial, without which the guard would not watch it."""
    trial = view.open_trial
    if trial is None or trial.slot != slot.value:
        raise Conflict("conflict", f"No open trial of slot {slot.value} is recorded.")
    _holds_what_may_run(view, slot)


def may_enter(view: View, slot: SlotName) -> None:
    """The way back from a trial, or a slot that was proved before."""
    if _is_way_back(view, slot):
        return
    trial = view.trial
    tried = trial is not None and trial.slot == slot.value and trial.verdict in (None, Verdict.HEALTHY)
    if not tried and view.state(slot) is not SlotState.GOOD and slot is not view.primary:
        raise Conflict("conflict", f"Slot {slot.value} has proved nothing.")
    if not tried and view.current not in (None, slot) and view.way(view.current, slot).there is not None:
        raise Conflict("conflict", f"The data have to be migrated for slot {slot.value}, which takes a trial.")
    _holds_what_may_run(view, slot)


def may_commit(view: View, slot: SlotName) -> None:
    """A trial of this slot that nobody decided against, or a slot that was committed before."""
    trial = view.trial
    again = view.state(slot) is SlotState.GOOD and slot is view.current
    on_trial = trial is not None and trial.slot == slot.value and trial.verdict in (None, Verdict.HEALTHY)
    if slot is not view.current or not (again or on_trial):
        raise Conflict("conflict", f"Slot {slot.value} is on no trial that it could pass.")
    if again and view.restarts:
        return  # a sign of life of what runs and was let in: a bootloader that counts would leave it
    if not again and view.running is not slot:
        raise Conflict("conflict", f"Nothing runs from slot {slot.value}.")
    _holds_what_may_run(view, slot)


def may_start(view: View, slot: SlotName) -> None:
    """The application of the slot that is entered next, which was let in by the rules above.

    Where that takes a restart of the machine, only while something else runs: what runs is not restarted for nothing.
    """
    if view.restarts and (slot is not view.primary or slot is view.current):
        raise Conflict("conflict", f"Slot {slot.value} is not to be entered by a restart.")
    if not view.restarts and slot is not view.current:
        raise Conflict("conflict", f"Slot {slot.value} is not the one to run.")
    _refuse_others_data(view, slot)
    if not _is_way_back(view, slot):
        _holds_what_may_run(view, slot)


def may_begin_trial(view: View, slot: SlotName) -> SlotName:
    """Return the way back: the slot that runs. The same trial may be armed again after its flip."""
    if view.current is None:
        raise Conflict("conflict", "Boot control shows neither slot.")
    _holds_what_may_run(view, slot)
    trial = view.open_trial
    if trial is not None and trial.slot == slot.value:
        return SlotName(trial.previous)
    if slot is view.current:
        raise Conflict("conflict", f"Slot {slot.value} runs already.")
    if trial is not None and trial.previous == slot.value:
        raise Conflict(
            "conflict", f"Slot {slot.value} is the way back of the open trial; it is gone back to, not tried."
        )
    last = view.trial
    if last is not None and last.verdict is not Verdict.HEALTHY and carry.is_away(view.kept_of(last)):
        raise Conflict("conflict", "The data of the trial before have not gone back.")
    return view.current


def may_carry_there(view: View) -> Trial:
    """The data change for the release on trial: once it is what is entered, and before its first start."""
    trial = view.open_trial
    if trial is None or view.primary is None or trial.slot != view.primary.value:
        raise Conflict("conflict", "No open trial is recorded whose slot is entered next.")
    slot = SlotName(trial.slot)
    if view.running is slot:
        raise Conflict("conflict", f"The release in slot {slot.value} runs already.")
    _holds_what_may_run(view, slot)
    return trial


def may_carry_back(view: View) -> Trial | None:
    """Return the trial whose data may go back, None where there is nothing to go back from."""
    trial = view.trial
    if trial is None or trial.verdict is Verdict.HEALTHY:
        return None
    if view.current is None or view.current.value != trial.previous:
        raise Conflict("conflict", f"Slot {trial.previous} is to be entered before its data go back.")
    return trial


def may_carry_on(view: View) -> Trial:
    """The copy is given up, and what is irreversible may come, only for what was found healthy and is committed."""
    trial = view.trial
    if trial is None or trial.verdict is not Verdict.HEALTHY or view.current is None:
        raise Conflict("conflict", "No trial with a healthy verdict is recorded.")
    if trial.slot != view.current.value or view.state(view.current) is not SlotState.GOOD:
        raise Conflict("conflict", f"Slot {trial.slot} is not committed.")
    return trial


def may_finish(view: View) -> None:
    """What is irreversible is done by the committed release alone, and while none is on trial."""
    if view.current is None or view.state(view.current) is not SlotState.GOOD or view.open_trial is not None:
        raise Conflict("conflict", "A release is on trial, or none is committed.")
    _holds_what_may_run(view, view.current)


def _is_tried(view: View, slot: SlotName) -> bool:
    """It proved nothing, so it is marked as often as somebody likes; where it is armed, that takes the trial back."""
    trial = view.trial
    return trial is not None and trial.slot == slot.value and trial.verdict is not Verdict.HEALTHY


def _refuse_needed(view: View, slot: SlotName) -> None:
    """While a trial is not over, says its record or boot control, its way back stays as it is.

    A verdict alone ends none: a bootloader that still counts the starts of what it tries goes back there by itself.
    """
    trial = view.trial
    leads_here = trial is not None and trial.previous == slot.value
    over = trial is None or trial.finished or trial.verdict is Verdict.HEALTHY
    if view.tried not in (None, slot) or (leads_here and not over):
        raise Conflict("conflict", f"Slot {slot.value} is the way back of what is tried; it is left as it is.")


def _is_way_back(view: View, slot: SlotName) -> bool:
    """Once its trial is finished it may be written, which takes its good mark, and then it is a slot like any other."""
    trial = view.trial
    if trial is None or trial.previous != slot.value or trial.verdict is Verdict.HEALTHY:
        return False
    return not trial.finished or slot in (view.current, view.primary) or view.state(slot) is SlotState.GOOD


def _refuse_others_data(view: View, slot: SlotName) -> None:
    """Neither release of a trial runs on the data of the other one."""
    trial = view.trial
    if trial is None or trial.verdict is Verdict.HEALTHY:
        return
    kept = view.kept_of(trial)
    if slot.value == trial.previous and carry.is_away(kept):
        raise Conflict("conflict", f"The data have not gone back; slot {slot.value} is not started on them.")
    planned = view.way(SlotName(trial.previous), slot) if slot.value == trial.slot else carry.Way()
    if trial.verdict is None and not carry.is_there(kept, planned):
        raise Conflict("conflict", f"The data have not been changed for slot {slot.value} yet.")


def _holds_what_may_run(view: View, slot: SlotName) -> None:
    manifest, digest = view.installed(slot), view.digest(slot)
    if manifest is None or digest is None:
        raise Conflict("conflict", f"Slot {slot.value} holds no whole release.")
    view.may_run(note_of(manifest), digest)
    if slot is not view.current:  # what runs goes on and commits: a camera that runs a revoked release is not dark
        view.refuse_revoked(manifest.component, digest)
        carry.refuse_older(view.kept, manifest.counter, manifest.version)
