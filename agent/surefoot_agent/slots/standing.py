"""What boot control says of the slots, beside what they hold: one finding, judged purely.

Promises: a mark without a release behind it and a release without a mark are both told, since an update or a way back
rests on either. An installation marks its slot bad before the first byte, so a whole release in a slot that boot
control calls empty means that its record was lost.
"""

from __future__ import annotations

from collections.abc import Mapping

from surefoot_agent.finding import Finding
from surefoot_shared.status import SlotState

LOST_HINT = (
    "Its record (boot.0, boot.1) is lost: check the disk, then assign a release again, whose commit writes it anew. "
    "Until then this device cannot go back."
)


def finding(
    states: Mapping[str, str],
    releases: Mapping[str, str | None],
    adopted: Mapping[str, str],
    current: str | None,
    on_trial: str | None,
) -> Finding:
    """Judge all slots at once. `states` is empty where boot control cannot be read."""
    if not states:
        return Finding(
            "slots", False, "Boot control cannot be read.", "Check the disk, and what else is said of it here."
        )
    holds = {slot: releases[slot] or adopted.get(slot) for slot in states}
    words = [f"{slot}: {states[slot]}, {holds[slot] or 'nothing whole'}" for slot in sorted(states)]
    text = "; ".join(words) + "."
    if states.get(current or "") == SlotState.BAD.value and current != on_trial and releases.get(current or ""):
        return Finding("slots", False, text, "The running slot is marked bad: assign a release that is known good.")
    lost = [slot for slot in sorted(states) if releases[slot] and states[slot] == SlotState.EMPTY.value]
    if lost:
        return Finding(
            "slots", False, f"{text} Boot control knows nothing of the release in slot {lost[0]}.", LOST_HINT
        )
    good = [slot for slot in sorted(states) if states[slot] == SlotState.GOOD.value]
    unfounded = [slot for slot in good if not holds[slot] and not (adopted and slot != current)]
    if unfounded:
        hint = "Assign a release again: the device could not go back there."
        return Finding("slots", False, f"{text} Slot {unfounded[0]} is marked good and is not whole.", hint)
    return Finding("slots", True, text)
