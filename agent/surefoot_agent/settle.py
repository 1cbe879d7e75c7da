"""What a device at rest sees to: the application of its current slot runs, and boot control knows that it came up.

Promises: done at the start and once a minute; changes nothing where all is well. What it cannot mend by a start is told
as an event: a boot control that shows no slot while nothing runs, a damaged slot that was left for the other.
"""

from __future__ import annotations

from surefoot_agent import fallback
from surefoot_agent.events import FellBack, Stuck
from surefoot_agent.sight import Hands
from surefoot_shared.errors import InstallFailed, SurefootError
from surefoot_shared.release import Manifest
from surefoot_shared.status import SlotName, SlotState


def ensure_running(hands: Hands, alone: bool = True) -> FellBack | Stuck | None:
    """Start the application of the current slot where it does not run, or runs from the other one.

    Boot control hears that its committed slot came up: one that counts starts would leave a good slot in the end.
    `alone`: no attempt is under way, so a slot that cannot run any more may be left. Raises SurefootError.
    """
    with hands.trials.lock():
        running = hands.application.running()
        try:
            current = hands.boot.current()
        except SurefootError as error:
            if running is not None or not alone:
                raise
            return Stuck(f"Boot control shows neither slot, and nothing runs: {error.message}")
        left, manifest = None, hands.slots.installed(current)
        stands = running is not None and running.slot is current
        if not stands and not hands.boot.capabilities().needs_restart:  # what cannot be proved would loop
            left = _start(hands, current, manifest, alone)
        if left is None and hands.boot.state(current) is SlotState.GOOD and hands.boot.trial().slot is None:
            hands.boot.commit(current)  # never while a slot waits to be tried: that would take the switch back
        return left


def _start(hands: Hands, current: SlotName, manifest: Manifest | None, alone: bool) -> FellBack | None:
    if manifest is None:
        return fallback.leave_damaged(hands, current) if alone and hands.application.running() is None else None
    try:
        hands.application.start(current, manifest)
    except InstallFailed:
        if not alone or (left := fallback.leave_damaged(hands, current)) is None:
            raise
        return left
    return None
