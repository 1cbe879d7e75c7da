"""Boot control of boards whose loaders keep less than we must know: the rest stands in the component's own record.

Promises: the marks and the slot on trial are in a record of two generations, written around the board's act so that a
death in between shows the old switch or the new one; each act holds the trial lock and is read back. What a board can
do is a `Board`, one module each. Refuses to guess what a board does not say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from surefoot_agent import durable, guard
from surefoot_agent.boot import tool
from surefoot_agent.ports import BootTrial, Capabilities
from surefoot_agent.way_back import Commands
from surefoot_shared.status import SlotName, SlotState

RECORD = "boot"


@dataclass(frozen=True)
class Switch:
    """What the next start enters, and whether as a trial; `once` is None where the board does not know."""

    primary: SlotName
    once: bool | None = None
    left: int | None = None
    """Starts that would still enter it on trial, where they can be told."""


class Board(Protocol):
    """What a loader can do. Writes are durable when they return, and may be repeated."""

    title: str
    """What sets the slot, for whoever reads that it had no effect."""

    def current(self) -> SlotName: ...
    def switch(self) -> Switch: ...
    def arm(self, slot: SlotName) -> None:
        """Enter `slot` on trial, every try anew. Not looked at whether it took."""

    def enter(self, slot: SlotName) -> None:
        """Enter `slot` from now on, no trial."""

    def mark(self, slot: SlotName, good: bool) -> None:
        """Tell the loader, where it has a word for it."""

    def claim(self, slot: SlotName) -> SlotState:
        """What the loader says of a slot that we never marked."""

    def capabilities(self) -> Capabilities: ...
    def way_back(self, slot: SlotName) -> Commands:
        """Fixed commands by which somebody without boot control makes the next start enter `slot`."""


class NotedBoot:
    """BootControl port."""

    def __init__(self, board: Board, component_dir: Path) -> None:
        self._board, self._folder = board, component_dir

    def current(self) -> SlotName:
        return self._board.current()

    def primary(self) -> SlotName:
        return self._board.switch().primary

    def set_primary(self, slot: SlotName) -> None:
        with self._alone():
            self._go_to(slot)
            self._note(trial=None)

    def state(self, slot: SlotName) -> SlotState:
        """What is stored; the loader's word where nothing is, and bad for a word that no version of ours wrote."""
        stored = self._record().get(slot.value)
        if stored is None:
            return self._board.claim(slot)
        return SlotState(stored) if stored in {s.value for s in SlotState} else SlotState.BAD

    def set_state(self, slot: SlotName, state: SlotState) -> None:
        with self._alone():
            if state is SlotState.GOOD:
                self._board.mark(slot, good=True)
            elif self.trial().slot is slot:
                self._go_to(slot.other)
                self._board.mark(slot, good=False)
                self._note(trial=None)
            elif self.primary() is not slot:  # a mark never moves what is entered; a loader's bad would
                self._board.mark(slot, good=False)
            self._note(**{slot.value: state.value})

    def arm_trial(self, slot: SlotName) -> None:
        """Arm without looking whether it took: `primary` says, and a board that did nothing must be told apart."""
        with self._alone():
            self._note(trial=slot.value, armed=False)
            self._board.arm(slot)
            self._note(trial=slot.value, armed=self.primary() is slot)

    def trial(self) -> BootTrial:
        record, switch = self._record(), self._board.switch()
        noted = next((s for s in SlotName if record.get("trial") == s.value), None)
        if switch.once:
            return BootTrial(switch.primary, switch.left)
        if noted is None or (switch.primary is noted and switch.once is False):
            return BootTrial()
        if switch.primary is noted:
            return BootTrial(noted, switch.left)
        if switch.once is False and self._board.current() is noted:
            return BootTrial(noted, 0)
        return BootTrial(gave_up=noted if record.get("armed") else None)

    def commit(self, slot: SlotName) -> None:
        with self._alone():
            self._board.mark(slot, good=True)
            self._go_to(slot)
            self._note(trial=None, **{slot.value: SlotState.GOOD.value})

    def capabilities(self) -> Capabilities:
        return self._board.capabilities()

    def way_back(self, slot: SlotName) -> Commands:
        return self._board.way_back(slot)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        durable.make_folder(self._folder)
        with guard.trial_lock(self._folder):
            yield

    def _go_to(self, slot: SlotName) -> None:
        """Make a slot the primary one; from here to the end of the act a trial that is left was left by order."""
        record = self._record()
        if record.get("trial") not in (None, slot.value) and self._board.switch().once is not None:
            self._note(trial=None, armed=False)  # the board itself knows whether one is on trial
        elif record.get("armed"):
            self._note(armed=False)
        self._board.enter(slot)
        if self.primary() is not slot:
            raise tool.failed(f"{self._board.title} had no effect.")

    def _record(self) -> dict[str, object]:
        return guard.load_record(self._folder, RECORD) or {}

    def _note(self, **changes: str | bool | None) -> None:
        """Store changes of our record; where nothing changes, make durable what stands there."""
        before = self._record()
        after = {key: value for key, value in {**before, **changes}.items() if value not in (None, False)}
        if after != before:
            guard.save_record(self._folder, RECORD, after)
        else:
            durable.sync_record(self._folder, RECORD)
