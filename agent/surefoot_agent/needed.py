"""The slots that a device cannot do without at this moment: they are not written, whatever the journal believes.

Promises: asked before the first byte of a download. The privileged half has the same rule, and more of them, in `gate`;
this one holds a node of one process to it, whose journal may have chosen its slot by a memory that it lost.
"""

from __future__ import annotations

from surefoot_agent.sight import Hands
from surefoot_shared.errors import Conflict
from surefoot_shared.status import SlotName


def refuse_needed(hands: Hands, slot: SlotName) -> None:
    """Raise Conflict for the slot that runs, that is entered next, or that is the way back of a trial that is open."""
    running, trial = hands.application.running(), hands.trials.read()
    if slot in (hands.boot.current(), hands.boot.primary()) or (running is not None and running.slot is slot):
        raise Conflict("conflict", f"Slot {slot.value} runs, or is entered next; it is not written.")
    if trial is not None and trial.is_open and trial.previous == slot.value:
        raise Conflict("conflict", f"Slot {slot.value} is the way back of a trial that is open; it is not written.")
