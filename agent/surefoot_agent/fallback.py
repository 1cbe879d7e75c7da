"""The last way out of a committed slot whose application cannot be started any more: the other slot.

Promises: a slot is left only where it was read back and found damaged, and only for one that reads back whole, is
marked good and can use the data as they are; never while somebody may still go back by a trial, nor where a slot is
entered by a restart of the machine or by an update module, which have ways of their own. Refuses to judge a release:
one that is whole and does not start stays.
"""

from __future__ import annotations

import logging

from surefoot_agent import carry, sight
from surefoot_agent.events import FellBack
from surefoot_agent.ports import ReadsBack, Stepped
from surefoot_agent.sight import Hands
from surefoot_shared.errors import InstallFailed, SurefootError
from surefoot_shared.release import Manifest
from surefoot_shared.status import SlotName, SlotState

log = logging.getLogger(__name__)


def leave_damaged(hands: Hands, current: SlotName) -> FellBack | None:
    """Let the other slot run; None where that would be no better. Hold the trial lock. Raises InstallFailed."""
    other, trial = current.other, hands.trials.read()
    if not isinstance(hands.slots, ReadsBack) or isinstance(hands.application, Stepped):
        return None
    if hands.boot.capabilities().needs_restart:
        return None
    if trial is not None and trial.is_open:
        return None
    held, damage = hands.slots.installed(other), _damage(hands.slots, hands.slots.installed(current), current)
    if held is None or damage is None or hands.boot.state(other) is not SlotState.GOOD:
        return None
    if not _can_use_the_data(hands, current, held) or _damage(hands.slots, held, other) is not None:
        return None
    log.error("committed_slot_left slot=%s damage=%s", current.value, damage)
    hands.boot.set_primary(other)
    hands.boot.set_state(current, SlotState.BAD)
    hands.application.start(other, held)
    committed = sight.committed(hands)
    message = f"{damage} Its application could not be started, so release {held.version} in slot {other.value} runs."
    return FellBack(committed, message) if committed is not None else None


def _damage(slots: ReadsBack, manifest: Manifest | None, slot: SlotName) -> str | None:
    """A sentence; what cannot be read is damaged as well."""
    if manifest is None:
        return f"Slot {slot.value} holds no whole release any more."
    try:
        return slots.damage(slot)
    except InstallFailed as error:
        return error.message


def _can_use_the_data(hands: Hands, current: SlotName, held: Manifest) -> bool:
    """Whether nothing was migrated since that it could not read."""
    try:
        carry.refuse_older(hands.data.kept(), held.counter, held.version)
    except SurefootError:
        return False
    return carry.way(hands.slots.installed(current), held, current, current.other).there is None
