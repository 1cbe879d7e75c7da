"""What a component's kind asks of this node: two devices, modules that can be called, a RAUC that obeys.

Promises: reads only; each finding says what is wrong and what to do. A kind that asks for nothing has none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from surefoot_agent.components import ComponentSettings
from surefoot_agent.finding import Finding
from surefoot_agent.slots.rauc import Program
from surefoot_shared.errors import SurefootError

NAMES = ("devices", "modules", "rauc")
"""Findings of this module."""


def findings(component: ComponentSettings) -> tuple[Finding, ...]:
    """Look at what this kind of component asks for."""
    return tuple(look(component) for look in LOOKS.get(component.kind, ()))


def _devices(component: ComponentSettings) -> Finding:
    paths = {"slot_a": Path(component.slot_a), "slot_b": Path(component.slot_b)}
    for key, path in paths.items():
        if not path.exists():
            hint = f"Correct {key}, or look why the disk does not show that partition."
            return Finding("devices", False, f"{key} is {path}, which does not exist.", hint)
    if _same(*paths.values()):
        hint = "Name the two partitions apart: an update would overwrite what runs."
        return Finding("devices", False, "slot_a and slot_b are the same device.", hint)
    return Finding("devices", True, "Both slots' devices are there.")


def _same(one: Path, other: Path) -> bool:
    """Links lead to one file, or two nodes are of one device."""
    first, second = one.stat(), other.stat()
    same_node = first.st_rdev != 0 and first.st_rdev == second.st_rdev
    return same_node or (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def _modules(component: ComponentSettings) -> Finding:
    folder, hint = component.modules, "Install the Update Modules (Debian: mender-client), or set modules."
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file() and os.access(entry, os.X_OK))
    except OSError as error:
        return Finding("modules", False, f"{folder} cannot be looked at: {error.strerror}.", hint)
    if not names:
        return Finding("modules", False, f"{folder} holds no module that can be called.", hint)
    return Finding("modules", True, f"{folder} holds {', '.join(names)}.")


def _rauc(component: ComponentSettings, program: Program = Program()) -> Finding:  # noqa: B008 -- frozen
    if not os.access(program.path, os.X_OK):
        return Finding(
            "rauc", False, f"{program.path} is not there.", "Install RAUC, or give the component kind image."
        )
    try:
        activates = program.activates()
    except SurefootError as error:
        return Finding("rauc", False, error.message, error.hint)
    if activates:
        hint = f"Set activate-installed=false under [system] in {program.config}."
        return Finding("rauc", False, "RAUC would enter what it installed at the next start, before its turn.", hint)
    return Finding("rauc", True, "RAUC leaves it to this agent when a slot is entered.")


LOOKS: Mapping[str, tuple[Callable[[ComponentSettings], Finding], ...]] = {
    "image": (_devices,),
    "rauc": (_devices, _rauc),
    "module": (_modules,),
}
