"""The kinds of slots by the name that `kind = …` of a component gives them.

Promises: a name here is a name that works; nothing is imported before it is used. A new kind is one entry here and,
where it is started or fetched another way, one in `hands`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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


KINDS: Mapping[str, Callable[[ComponentSettings, Place], Slots]] = {
    "directory": _directory,
}
