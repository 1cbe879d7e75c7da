"""The boot controls by the name that `boot = …` of a component gives them, and the settings that they take.

Promises: a name here is a name that works; nothing is imported before it is used, for `status` must be quick. A new
backend is one entry: how it is made, which kinds of slots it can switch, and what its settings must be. Settings that
do not fit each other are refused when they are loaded, not at the first switch.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from surefoot_shared.settings import Setting
from surefoot_shared.status import SlotName

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

FILES: Mapping[str, str] = {
    "grub": "/boot/grub/surefoot0 /boot/grub/surefoot1",
    "tryboot": "/boot/firmware/autoboot.txt",
    "systemd-boot": "/boot/loader/entries",
}
"""What `boot_files` is where nothing is said."""
TAKEN_OVER = ("uboot", "grub")
"""Those whose scripts another agent may have left on the board: `boot/adopt.py`."""
MENDER_GRUB = "/boot/efi/grub-mender-grubenv/mender_grubenv1 /boot/efi/grub-mender-grubenv/mender_grubenv2"
"""The same for `grub` with Mender's variables: folders, each of a block and its lock."""

SLOTS: Mapping[str, str] = {"tryboot": "2 3", "efi": "slot_a slot_b", "systemd-boot": "a b", "jetson": "0 1"}
"""What loaders call the slots where nothing is said: boot partitions, labels of entries, ends of their names."""

ROWS = (
    Setting(
        "boot_variables",
        "name",
        f"Whose variables the bootloader's scripts use: {', '.join(SETS)}; GRUB: surefoot, mender.",
        rule=lambda text: None if text in SETS else f"one of {', '.join(SETS)}",
    ),
    Setting(
        "boot_slots",
        "names",
        "What the bootloader calls slots A and B, in this order; empty: A B, 2 3 for mender, by their partitions, "
        + ", ".join(f"{names} for {boot}" for boot, names in SLOTS.items())
        + ". A label with spaces stands in quotes.",
        rule=lambda text: None if not text or _two(text) else "two different names",
    ),
    Setting(
        "boot_argument",
        "name",
        "Kernel argument that names the running slot; empty: surefoot.slot, rauc.slot, or root for mender; "
        "a script, and UEFI's BootCurrent, are asked instead.",
    ),
    Setting(
        "boot_tries",
        "starts",
        "Starts that U-Boot, GRUB or systemd-boot grants a slot on trial, those after power cuts too.",
        1,
        15,
    ),
    Setting("boot_config", "path", "The fw_env.config that leads to U-Boot's environment."),
    Setting(
        "boot_files",
        "paths",
        "Where the bootloader keeps its state; empty: "
        + "; ".join(f"{name}: {text}" for name, text in FILES.items())
        + f"; grub with Mender's variables: {MENDER_GRUB}.",
        rule=lambda text: None if all(word.startswith("/") for word in text.split()) else "absolute paths",
    ),
    Setting(
        "boot_script",
        "path",
        "The board's script with RAUC's verbs; empty for none.",
        rule=lambda text: None if not text or text.startswith("/") else "an absolute path",
    ),
)


READS: Mapping[str, tuple[str, ...]] = {
    "uboot": ("boot_variables", "boot_slots", "boot_argument", "boot_tries", "boot_config"),
    "grub": ("boot_argument", "boot_tries", "boot_files", "boot_slots", "boot_variables"),
    "script": ("boot_script", "boot_slots", "boot_argument"),
    "tryboot": ("boot_files", "boot_slots", "boot_argument"),
    "jetson": ("boot_slots", "boot_argument"),
    "efi": ("boot_slots", "boot_argument"),
    "systemd-boot": ("boot_files", "boot_slots", "boot_argument", "boot_tries"),
}
"""The keys that each boot control reads, also where its own rule then says what they must be."""


def spaced(component: ComponentSettings) -> str | None:
    """Say that a name has a space where the bootloader's own scripts would read two."""
    if component.boot == "efi" or not any(" " in name for name in words(component.boot_slots)):
        return None
    return f"boot_slots must be two plain names for boot {component.boot!r}: only labels of UEFI entries have spaces."


def unread(component: ComponentSettings) -> str | None:
    """Say which key is told and read by nobody: somebody believes that it does something."""
    reads = READS.get(component.boot, ())
    told = [row.key for row in ROWS if row.key not in reads and getattr(component, row.key) != _usual(row.key)]
    return f"{told[0]} means nothing to boot {component.boot!r}: leave it out." if told else None


def _usual(key: str) -> object:
    from surefoot_agent.components import ComponentSettings

    return getattr(ComponentSettings(), key)


def boot_of(component: ComponentSettings, folder: Path) -> BootControl:
    """Return the boot control of a component; raises what it finds missing."""
    return BOOTS[component.boot].make(component, folder)


def names_of(component: ComponentSettings) -> Names:
    """Return what the bootloader calls the slots."""
    from surefoot_agent.boot.variables import Names

    usual = SLOTS.get(component.boot) or SETS[component.boot_variables].slots
    return Names(*words(component.boot_slots or usual))


def words(text: str) -> tuple[str, ...]:
    """The names in a setting, as a shell would read them; none where a quote has no end."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return ()


def variables_of(component: ComponentSettings) -> Variables:
    from surefoot_agent.boot import variables

    names, tries = names_of(component), component.boot_tries
    if component.boot_variables == "rauc":
        return variables.Rauc(names, tries)
    if component.boot_variables == "mender":
        return variables.MenderGrub(names) if component.boot == "grub" else variables.Mender(names, tries)
    return variables.Surefoot(names, tries)


def files_of(component: ComponentSettings) -> tuple[Path, ...]:
    """Return the files in which the bootloader keeps its state."""
    menders = component.boot == "grub" and component.boot_variables == "mender"
    usual = MENDER_GRUB if menders else FILES.get(component.boot, "")
    return tuple(Path(word) for word in (component.boot_files or usual).split())


def argument_of(component: ComponentSettings) -> str:
    """Return the kernel argument that names the running slot, empty where something else is asked."""
    asked = component.boot in ("script", "efi", "tryboot", "jetson")
    return component.boot_argument or ("" if asked else SETS[component.boot_variables].argument)


def _symlink(component: ComponentSettings, folder: Path) -> BootControl:
    from surefoot_agent.boot.symlink import SymlinkBoot

    return SymlinkBoot(folder)


def _uboot(component: ComponentSettings, folder: Path) -> BootControl:
    from surefoot_agent.boot.environment import Environment
    from surefoot_agent.boot.uboot import UBoot

    environment = Environment(component.boot_config)
    return UBoot(folder, environment, variables_of(component), names_of(component), argument_of(component))


def _grub(component: ComponentSettings, folder: Path) -> BootControl:
    from surefoot_agent.boot.grub import GrubEnvironment
    from surefoot_agent.boot.mender_grub import MenderGrubEnvironment, Pair
    from surefoot_agent.boot.uboot import Stored, UBoot

    first, second = files_of(component)
    environment: Stored = GrubEnvironment((first, second))
    if component.boot_variables == "mender":
        environment = MenderGrubEnvironment((Pair.within(first), Pair.within(second)))
    return UBoot(folder, environment, variables_of(component), names_of(component), argument_of(component))


def _script(component: ComponentSettings, folder: Path) -> BootControl:
    from surefoot_agent.boot.script import ScriptBoot

    return ScriptBoot(Path(component.boot_script), names_of(component), folder, _told(component))


def _tryboot(component: ComponentSettings, folder: Path) -> BootControl:
    from surefoot_agent.boot.noted import NotedBoot
    from surefoot_agent.boot.pi_roots import refuse_another
    from surefoot_agent.boot.tryboot import Tryboot

    board = Tryboot(
        folder, files_of(component)[0], names_of(component), allowed=lambda slot: refuse_another(component, slot)
    )
    return NotedBoot(board, folder)


def _jetson(component: ComponentSettings, folder: Path) -> BootControl:
    from surefoot_agent.boot.jetson import Jetson
    from surefoot_agent.boot.noted import NotedBoot

    return NotedBoot(Jetson(folder), folder)


def _efi(component: ComponentSettings, folder: Path) -> BootControl:
    from surefoot_agent.boot.efi import Efi
    from surefoot_agent.boot.noted import NotedBoot

    return NotedBoot(Efi(names_of(component), current=_told(component)), folder)


def _systemd_boot(component: ComponentSettings, folder: Path) -> BootControl:
    from surefoot_agent.boot.cmdline import current_slot
    from surefoot_agent.boot.noted import NotedBoot
    from surefoot_agent.boot.sdboot import SystemdBoot

    names, key = names_of(component), argument_of(component)
    board = SystemdBoot(files_of(component)[0], names, component.boot_tries, lambda: current_slot(key, names))
    return NotedBoot(board, folder)


def _told(component: ComponentSettings) -> Callable[[], SlotName] | None:
    """What reads the running slot from the kernel's command line, where it is told there."""
    from surefoot_agent.boot.cmdline import current_slot

    names, key = names_of(component), argument_of(component)
    return (lambda: current_slot(key, names)) if key else None


def _numbered(component: ComponentSettings) -> str | None:
    slots = component.boot_slots
    if component.boot_variables == "surefoot" and slots not in ("", "A B"):
        return "boot_slots must be left out: the variables of surefoot call the slots A and B."
    if component.boot_variables == "mender" and not all(name.isdigit() for name in words(slots)):
        return "boot_slots must be two partition numbers, as Mender's variables have them."
    return None


def _two_files(component: ComponentSettings) -> str | None:
    if component.boot_variables == "mender":
        if component.boot_tries != _usual("boot_tries"):
            return "boot_tries must be left out: Mender's scripts for GRUB grant one start."
    elif component.boot_variables != "surefoot":
        return "boot_variables must be surefoot or mender: RAUC's script for GRUB has one copy of its state, unchecked."
    return _numbered(component) or _two_places(component)


def _two_places(component: ComponentSettings) -> str | None:
    return None if len(set(files_of(component))) == 2 else "boot_files must name two different files."


def _two_partitions(component: ComponentSettings) -> str | None:
    if component.boot_argument:
        return "boot_argument must be left out: the device tree says from which partition the firmware booted."
    if not all(name.isdigit() for name in names_of(component).both):
        return "boot_slots must be the numbers of two boot partitions."
    return _one_file(component)


def _nothing_told(component: ComponentSettings) -> str | None:
    if component.boot_slots or component.boot_argument:
        return "boot_slots and boot_argument must be left out: nvbootctrl knows slots 0 and 1."
    return None


def _one_file(component: ComponentSettings) -> str | None:
    return None if len(files_of(component)) == 1 else "boot_files must name one place."


def _with_script(component: ComponentSettings) -> str | None:
    return None if component.boot_script else "boot_script must say which script knows this board."


def _two(text: str) -> bool:
    return len(words(text)) == len(set(words(text))) == 2 and all(word == word.strip() != "" for word in words(text))


BOOTS: Mapping[str, Backend] = {
    "symlink": Backend(_symlink, ("directory", "module", "agent")),
    "uboot": Backend(_uboot, ("image", "rauc"), _numbered),
    "script": Backend(_script, ("image", "rauc"), _with_script),
    "grub": Backend(_grub, ("image", "rauc"), _two_files),
    "tryboot": Backend(_tryboot, ("image",), _two_partitions),
    "jetson": Backend(_jetson, ("image",), _nothing_told),
    "efi": Backend(_efi, ("image", "rauc")),
    "systemd-boot": Backend(_systemd_boot, ("image",), _one_file),
}
