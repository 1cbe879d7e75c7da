"""The kinds of slots by the name that `kind = …` of a component gives them, and the settings that they take.

Promises: a name here is a name that works; nothing is imported before it is used. A new kind is one entry here and,
where it is started or fetched another way, one in `hands`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from surefoot_shared.settings import Setting
from surefoot_shared.status import SlotName

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

    return ImageSlots(place.folder, devices_of(component), place.reserve_bytes)


def devices_of(component: ComponentSettings) -> Mapping[SlotName, Path]:
    """Return the devices of a component of images."""
    return {SlotName.A: Path(component.slot_a), SlotName.B: Path(component.slot_b)}


def _rauc(component: ComponentSettings, place: Place) -> Slots:
    from surefoot_agent.boot.select import names_of
    from surefoot_agent.slots.rauc import RaucSlots

    return RaucSlots(place.folder, devices_of(component), names_of(component), place.reserve_bytes)


def problem_of(component: ComponentSettings) -> str | None:
    """Say what the settings of the slots should say instead, None where they are right."""
    devices = (component.slot_a, component.slot_b)
    if component.kind in ("image", "rauc"):
        if not all(device.startswith("/") for device in devices):
            return "slot_a and slot_b must say which devices hold the two roots."
        if os.path.normpath(devices[0]) == os.path.normpath(devices[1]):
            return "slot_a and slot_b must be two devices: an update would overwrite what runs."
    elif any(devices):
        return f"slot_a and slot_b mean nothing to kind {component.kind!r}: leave them out."
    if component.kind == "rauc" and component.boot_variables == "mender":
        return "RAUC's slots are switched by RAUC's own variables or by those of surefoot, never by Mender's."
    return None


ROWS = (
    Setting("slot_a", "path", "Device, or file, of slot A of a component of kind image or rauc."),
    Setting("slot_b", "path", "The same of slot B."),
    Setting("modules", "path", "Where the Update Modules of a component of kind module are."),
    Setting(
        "module_order",
        "name",
        "The order of calls that the modules expect: of Mender's client 3, or 4 and later.",
        rule=lambda text: None if text in ("3", "4") else "3 or 4",
    ),
    Setting("module_s", "s", "Seconds that all calls of a module for one way, there or back, may take.", 1, 7200),
)
KINDS: Mapping[str, Callable[[ComponentSettings, Place], Slots]] = {
    "directory": _directory,
    "module": _directory,
    "agent": _directory,
    "image": _image,
    "rauc": _rauc,
}
