"""The boot controls by the name that `boot = …` of a component gives them, and the settings that they take.

Promises: a name here is a name that works; nothing is imported before it is used, for `status` must be quick. A new
backend is one entry: how it is made, which kinds of slots it can switch, and what its settings must be. Settings that
do not fit each other are refused when they are loaded, not at the first switch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from surefoot_shared.settings import Setting

if TYPE_CHECKING:
    from surefoot_agent.boot.variables import Names, Variables
    from surefoot_agent.components import ComponentSettings
    from surefoot_agent.ports import BootControl


@dataclass(frozen=True)
class Backend:
    """`make` gets the component's settings and its folder on the data partition."""

    make: Callable[[ComponentSettings, Path], BootControl]
    kinds: tuple[str, ...]
    """Kinds of slots (`slots.select.KINDS`) that it can switch."""
    problem: Callable[[ComponentSettings], str | None] = lambda component: None
    """What its settings should say instead, None where they are right."""


@dataclass(frozen=True)
class VariableSet:
    """What a set of U-Boot variables takes for granted where nothing is said."""

    slots: str
    argument: str


SETS: Mapping[str, VariableSet] = {
    "surefoot": VariableSet("A B", "surefoot.slot"),
    "rauc": VariableSet("A B", "rauc.slot"),
    "mender": VariableSet("2 3", "root"),
}

ROWS = (
    Setting(
        "boot_variables",
        "name",
        f"Whose variables U-Boot's scripts use: {', '.join(SETS)}.",
        rule=lambda text: None if text in SETS else f"one of {', '.join(SETS)}",
    ),
    Setting(
        "boot_slots",
        "names",
        "What the bootloader calls slots A and B, in this order; empty: A B, and 2 3 for mender, by their partitions.",
        rule=lambda text: None if not text or _two(text) else "two different names",
    ),
    Setting(
        "boot_argument",
        "name",
        "Kernel argument that names the running slot; empty: surefoot.slot, rauc.slot, or root for mender; "
        "a script is asked instead.",
    ),
    Setting("boot_tries", "starts", "Starts that U-Boot grants a slot on trial, those after power cuts too.", 1, 15),
    Setting("boot_config", "path", "The fw_env.config that leads to U-Boot's environment."),
    Setting(
        "boot_script",
        "path",
        "The board's script with RAUC's verbs; empty for none.",
        rule=lambda text: None if not text or text.startswith("/") else "an absolute path",
    ),
)


def boot_of(component: ComponentSettings, folder: Path) -> BootControl:
    """Return the boot control of a component; raises what it finds missing."""
    return BOOTS[component.boot].make(component, folder)


def names_of(component: ComponentSettings) -> Names:
    """Return what the bootloader calls the slots."""
    from surefoot_agent.boot.variables import Names

    return Names(*(component.boot_slots or SETS[component.boot_variables].slots).split())


def variables_of(component: ComponentSettings) -> Variables:
    from surefoot_agent.boot import variables

    names, tries = names_of(component), component.boot_tries
    if component.boot_variables == "rauc":
        return variables.Rauc(names, tries)
    if component.boot_variables == "mender":
        return variables.Mender(names, tries)
    return variables.Surefoot(names, tries)


def argument_of(component: ComponentSettings) -> str:
    """Return the kernel argument that names the running slot, empty where the script is asked."""
    return component.boot_argument or ("" if component.boot == "script" else SETS[component.boot_variables].argument)


def _symlink(component: ComponentSettings, folder: Path) -> BootControl:
    from surefoot_agent.boot.symlink import SymlinkBoot

    return SymlinkBoot(folder)


def _uboot(component: ComponentSettings, folder: Path) -> BootControl:
    from surefoot_agent.boot.environment import Environment
    from surefoot_agent.boot.uboot import UBoot

    environment = Environment(component.boot_config)
    return UBoot(folder, environment, variables_of(component), names_of(component), argument_of(component))


def _script(component: ComponentSettings, folder: Path) -> BootControl:
    from surefoot_agent.boot.cmdline import current_slot
    from surefoot_agent.boot.script import ScriptBoot

    names, key = names_of(component), argument_of(component)
    return ScriptBoot(Path(component.boot_script), names, folder, (lambda: current_slot(key, names)) if key else None)


def _numbered(component: ComponentSettings) -> str | None:
    slots = component.boot_slots
    if component.boot_variables == "surefoot" and slots not in ("", "A B"):
        return "boot_slots must be left out: the variables of surefoot call the slots A and B."
    if component.boot_variables == "mender" and not all(name.isdigit() for name in slots.split()):
        return "boot_slots must be two partition numbers, as Mender's variables have them."
    return None


def _with_script(component: ComponentSettings) -> str | None:
    return None if component.boot_script else "boot_script must say which script knows this board."


def _two(text: str) -> bool:
    return len(text.split()) == len(set(text.split())) == 2


BOOTS: Mapping[str, Backend] = {
    "symlink": Backend(_symlink, ("directory",)),
    "uboot": Backend(_uboot, ("image",), _numbered),
    "script": Backend(_script, ("image",), _with_script),
}
