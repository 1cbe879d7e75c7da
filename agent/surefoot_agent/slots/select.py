"""The kinds of slots by the name that `kind = …` of a component gives them, and the settings that they take.

Promises: a name here is a name that works; nothing is imported before it is used. A new kind is one entry here and,
where it is started or fetched another way, one in `hands`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from surefoot_shared.settings import Setting

if TYPE_CHECKING:
    from surefoot_agent.components import ComponentSettings
    from surefoot_agent.ports import Slots


@dataclass(frozen=True)
class Place:
    """Where the slots of a component are, and what an update must leave free there."""

    folder: Path
    reserve_bytes: int = 0
    reserve_inodes: int = 0


def slots_of(component: ComponentSettings, place: Place) -> Slots:
    """Return the two slots of a component."""
    return KINDS[component.kind](component, place)


def _directory(component: ComponentSettings, place: Place) -> Slots:
    from surefoot_agent.slots.directory import DirectorySlots

    return DirectorySlots(place.folder, place.reserve_bytes, place.reserve_inodes)


def _image(component: ComponentSettings, place: Place) -> Slots:
    from surefoot_agent.slots.image import ImageSlots
    from surefoot_shared.status import SlotName

    devices = {SlotName.A: Path(component.slot_a), SlotName.B: Path(component.slot_b)}
    return ImageSlots(place.folder, devices, place.reserve_bytes)


def problem_of(component: ComponentSettings) -> str | None:
    """Say what the settings of the slots should say instead, None where they are right."""
    devices = (component.slot_a, component.slot_b)
    if component.kind == "image" and not all(device.startswith("/") for device in devices):
        return "slot_a and slot_b must say which devices hold the two images."
    return None


ROWS = (
    Setting("slot_a", "path", "Device, or file, of slot A of a component of kind image."),
    Setting("slot_b", "path", "The same of slot B."),
)
KINDS: Mapping[str, Callable[[ComponentSettings, Place], Slots]] = {
    "directory": _directory,
    "image": _image,
}
