"""A release goes into slots of its own kind: a tree into folders, an image onto block devices, and nothing else."""

from __future__ import annotations

from surefoot_shared.errors import InstallFailed
from surefoot_shared.release import SlotKind


def refuse_other_kind(slots: SlotKind, release: SlotKind) -> None:
    """Raise InstallFailed(wrong_slot_kind) unless these slots can hold the release."""
    if slots is not release:
        message = f"The release is of kind {release.value}; this component has slots of kind {slots.value}."
        raise InstallFailed("wrong_slot_kind", message)
