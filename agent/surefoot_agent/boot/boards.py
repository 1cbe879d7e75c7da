"""The boards that Surefoot knows: how each is switched, what it was tested on, and what an integrator must set.

Promises: docs/boards.md is made from `BOARDS`; what can be looked at on the device is a finding of `surefoot-agent
check`, here and in `platform.py`. Refuses to call a board tested on hardware that never was.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from surefoot_agent.boot.select import files_of, names_of
from surefoot_agent.components import ComponentSettings
from surefoot_agent.finding import Finding
from surefoot_agent.slots import mounts
from surefoot_shared.errors import SurefootError


class Met(str, Enum):
    """The most that a board's boot control was ever tested on; each includes what follows it."""

    MACHINE = "real bootloader in an emulated machine"
    EMULATION = "emulation"
    NOT_AT_ALL = "not at all"


@dataclass(frozen=True)
class Board:
    """One row. `look` are the findings of `check` beyond those that every board has."""

    name: str
    loader: str
    setting: str
    tested: Met
    how: str
    sets: tuple[str, ...]
    units: tuple[str, ...] = ()
    """Units of others that call a slot good, to be masked or deferred."""
    look: tuple[str, ...] = ()


PANIC = "`panic=5` and `init=` on the kernel's command line"
DOG = "a watchdog that is armed: `RuntimeWatchdogSec=`"
EARLY_DOG = "a watchdog that runs before Linux does, or `watchdog.open_timeout=`"

BOARDS: tuple[Board, ...] = (
    Board(
        "any with U-Boot",
        "Surefoot's script",
        'boot = "uboot"',
        Met.MACHINE,
        "Debian's U-Boot in QEMU: updates, bad releases, power cuts; libubootenv's tools",
        ("[packaging/uboot](../packaging/uboot/README.md)", "two copies in `fw_env.config`", PANIC, DOG, EARLY_DOG),
        look=("copies",),
    ),
    Board(
        "any with U-Boot, from RAUC",
        "RAUC's script",
        'boot = "uboot"`, `boot_variables = "rauc"',
        Met.MACHINE,
        "Debian's U-Boot in QEMU makes the script's decisions: an update, a revert; libubootenv's tools",
        ("nothing in the bootloader: [migrate-from-rauc.md](migrate-from-rauc.md)", PANIC, DOG),
        ("rauc-mark-good",),
        ("copies",),
    ),
    Board(
        "any with U-Boot, from Mender",
        "Mender's script",
        'boot = "uboot"`, `boot_variables = "mender"',
        Met.MACHINE,
        "Debian's U-Boot in QEMU makes the script's decisions: an update, a revert; libubootenv's tools",
        ("nothing in the bootloader: [migrate-from-mender.md](migrate-from-mender.md)", PANIC, DOG),
        ("mender-client", "mender-updated"),
        ("copies",),
    ),
    Board(
        "x86 boxes with GRUB",
        "GRUB 2",
        'boot = "grub"',
        Met.MACHINE,
        "Debian's GRUB on Debian's UEFI firmware in QEMU: a trial that runs out, a commit; each case of its script and "
        "each torn copy on `grub-emu`; `grub-editenv`",
        ("[packaging/grub](../packaging/grub/README.md)", "both copies on plain FAT or ext4", PANIC, DOG),
        ("greenboot-grub2-set-success",),
        ("copies",),
    ),
    Board(
        "x86 boxes with GRUB, from Mender",
        "Mender's scripts",
        'boot = "grub"`, `boot_variables = "mender"',
        Met.EMULATION,
        "the scripts' decisions by their documentation, on the real files; `grub-editenv`",
        ("nothing in the bootloader: [migrate-from-mender.md](migrate-from-mender.md#grub)", PANIC, DOG),
        ("mender-client", "mender-updated"),
        ("copies",),
    ),
    Board(
        "x86 boxes with GRUB, from RAUC",
        "RAUC's script",
        'boot = "grub"',
        Met.NOT_AT_ALL,
        "",
        ("[packaging/grub](../packaging/grub/README.md) in place of RAUC's script: its one block has no checksum",),
        ("rauc-mark-good",),
    ),
    Board(
        "x86 and arm64 boxes with UEFI",
        "the firmware",
        'boot = "efi"',
        Met.MACHINE,
        "Debian's UEFI firmware, kernel and `efibootmgr` in QEMU: a trial, a commit; faults on files",
        ("a boot entry for each slot, labelled as `boot_slots` says, both in BootOrder", PANIC, DOG),
        look=("order",),
    ),
    Board(
        "x86 and arm64 boxes with systemd-boot",
        "systemd-boot",
        'boot = "systemd-boot"',
        Met.MACHINE,
        "Debian's systemd-boot on Debian's UEFI firmware in QEMU: a trial that runs out, a commit, the way "
        "back; Debian's `systemd-bless-boot`",
        ("entries `surefoot-1-b.conf` and `surefoot-2-a.conf`", "`default surefoot-*` in `loader.conf`", PANIC, DOG),
        ("systemd-bless-boot",),
        ("loader",),
    ),
    Board(
        "Raspberry Pi 3 to 5",
        "the Pi's firmware",
        'boot = "tryboot"',
        Met.EMULATION,
        "the firmware's and `vcmailbox`'s documented behaviour",
        (
            "`autoboot.txt` of 512 bytes on a FAT partition of its own",
            "a boot partition for each slot, whose `cmdline.txt` names its root by `root=PARTUUID=`",
            "a bootloader (EEPROM) that tells the partition in the device tree",
            PANIC,
            DOG + ", for nothing else leaves a kernel that hangs",
        ),
        look=("autoboot", "roots"),
    ),
    Board(
        "Jetson Orin, Thor and Xavier with UEFI",
        "L4TLauncher",
        'boot = "jetson"',
        Met.EMULATION,
        "`nvbootctrl` by its output in the field, the launcher by its source",
        (
            "flashed with `ROOTFS_AB=1`",
            "[packaging/jetson](../packaging/jetson/README.md), which defers `nv_update_verifier`",
            PANIC,
            DOG + ", for a kernel that panics is never condemned without a reset",
        ),
        ("nv_update_verifier",),
        ("redundancy",),
    ),
    Board(
        "any other",
        "the board's own",
        'boot = "script"',
        Met.EMULATION,
        "a script over files, killed at each of its writes",
        ("a script with RAUC's verbs, [boot-control.md](boot-control.md#script)", PANIC, DOG),
    ),
    Board(
        "Jetson Nano, TX2 and Xavier with CBoot",
        "CBoot",
        'boot = "script"',
        Met.NOT_AT_ALL,
        "",
        ("a script of yours over that release's `nvbootctrl`",),
    ),
)


def demands(component: ComponentSettings, root: Path = Path("/")) -> tuple[Finding, ...]:
    """Look at what this kind of board alone asks for."""
    return tuple(look(component, root) for look in LOOKS.get(component.boot, ()))


def _autoboot(component: ComponentSettings, root: Path) -> Finding:
    from surefoot_agent.boot import tryboot

    file, hint = files_of(component)[0], "Fill it up with empty lines to 512 bytes, and keep it on a FAT of its own."
    try:
        content = (root / file.relative_to("/")).read_bytes()
    except OSError as error:
        return Finding("autoboot", False, f"{file} cannot be looked at: {error.strerror}.", "Set boot_files.")
    if tryboot.parse(content.decode("latin-1")) is None:
        lost = "Write it as docs/boot-control.md shows; where it was right before, the agent's next start does."
        return Finding("autoboot", False, f"{file} does not try one of two partitions.", lost)
    if len(content) != tryboot.SECTOR:
        message = f"{file} has {len(content)} bytes: the first commit changes its length, which a power cut can tear."
        return Finding("autoboot", False, message, hint)
    kind = mounts.kind_of(file, root)
    if kind not in ("", "vfat", "msdos"):
        return Finding("autoboot", False, f"{file} is on {kind}, which the Pi's firmware does not read.", hint)
    return Finding("autoboot", True, f"{file} is one sector.")


def _roots(component: ComponentSettings, root: Path) -> Finding:
    from surefoot_agent.boot import pi_roots

    return pi_roots.finding(component, root)


def _redundancy(component: ComponentSettings, root: Path) -> Finding:
    from surefoot_agent.boot.jetson import EFIVARS, GUID

    try:
        level = (root / EFIVARS.relative_to("/") / f"RootfsRedundancyLevel-{GUID}").read_bytes()[4]
    except (OSError, IndexError):
        level = 0
    if level != 1:
        hint = "Flash the board with ROOTFS_AB=1. Until then prove a switch and a way back on this very firmware."
        message = "The firmware does not say that it knows two roots; where it knows one, a switch may do nothing."
        return Finding("redundancy", False, message, hint)
    return Finding("redundancy", True, "The firmware knows two roots.")


_ENTRIES = ("surefoot-1-a.conf", "surefoot-2-b.conf")
"""Ids of both slots' entries: the number grows, and systemd-boot leaves the counter out before it compares."""
_FIXED = "sys/firmware/efi/efivars/LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
"""Written by `bootctl set-default`; source: the Boot Loader Interface."""


def _loader(component: ComponentSettings, root: Path) -> Finding:
    file = root / files_of(component)[0].relative_to("/").parent / "loader.conf"
    try:
        lines = [line.split(None, 1) for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        lines = []
    patterns = [words[1].strip() for words in lines if len(words) == 2 and words[0] == "default"]
    hint = "Put `default surefoot-*` into loader.conf."
    if not patterns or not any(fnmatch.fnmatchcase(name, patterns[-1]) for name in _ENTRIES):
        return Finding("loader", False, "systemd-boot may prefer an entry that is no slot's.", hint)
    if not all(fnmatch.fnmatchcase(name, patterns[-1]) for name in _ENTRIES):
        return Finding(
            "loader", False, f"default {patterns[-1]} in loader.conf names one entry, not both slots'.", hint
        )
    if (root / _FIXED).exists():
        fixed = "The firmware keeps a default entry, which goes before loader.conf."
        return Finding("loader", False, fixed, "bootctl set-default '' takes it away.")
    return Finding("loader", True, "systemd-boot chooses among the slots' entries.")


def _order(component: ComponentSettings, root: Path) -> Finding:
    from surefoot_agent.boot import efi, tool

    names = names_of(component)
    try:
        found = efi.parse(tool.run(("efibootmgr",)), names)
    except SurefootError as error:
        return Finding("order", False, error.message, error.hint)
    if missing := efi.unordered(found):
        called = " and ".join(names.of(slot) for slot in missing)
        hint = "efibootmgr --bootorder with both slots' numbers first: the firmware enters no other by itself."
        return Finding("order", False, f"BootOrder does not name {called}.", hint)
    for slot in sorted(found.asleep):
        message = f"The entry {names.of(slot)} is not active: the firmware passes over it."
        return Finding("order", False, message, f"efibootmgr -b {found.numbers[slot]} -a makes it active.")
    return Finding("order", True, "BootOrder names both slots' entries.")


LOOKS: Mapping[str, tuple[Callable[[ComponentSettings, Path], Finding], ...]] = {
    "tryboot": (_autoboot, _roots),
    "jetson": (_redundancy,),
    "systemd-boot": (_loader,),
    "efi": (_order,),
}
