"""The boot controls by the name that `boot = …` of a component gives them.

Promises: a name here is a name that works; nothing is imported before it is used, for `status` must be quick. A new
backend is one entry: how it is made, and which kinds of slots it can switch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from surefoot_agent.components import ComponentSettings
    from surefoot_agent.ports import BootControl


@dataclass(frozen=True)
class Backend:
    """`make` gets the component's settings and its folder on the data partition."""

    make: Callable[[ComponentSettings, Path], BootControl]
    kinds: tuple[str, ...]
    """Kinds of slots (`slots.select.KINDS`) that it can switch."""


def boot_of(component: ComponentSettings, folder: Path) -> BootControl:
    """Return the boot control of a component; raises what it finds missing."""
    return BOOTS[component.boot].make(component, folder)


def _symlink(component: ComponentSettings, folder: Path) -> BootControl:
    from surefoot_agent.boot.symlink import SymlinkBoot

    return SymlinkBoot(folder)


BOOTS: Mapping[str, Backend] = {
    "symlink": Backend(_symlink, ("directory",)),
}
