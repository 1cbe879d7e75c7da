"""Which root the kernel of each boot partition of a Raspberry Pi is told to take, by its cmdline.txt.

Promises: reads only; a boot partition is found on the disk of autoboot.txt by its number, and read where it is mounted,
else from the device. A slot is refused only where its cmdline.txt names a device that is there and is not the slot's:
what cannot be told is for `check` to say. A root that is named by its file system is told as a fault: the next image
brings another, or the same in both slots.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent.boot import fat, tool
from surefoot_agent.boot.cmdline import arguments
from surefoot_agent.boot.select import files_of, names_of
from surefoot_agent.components import ComponentSettings
from surefoot_agent.finding import Finding
from surefoot_agent.slots import mounts
from surefoot_shared.status import SlotName

FILE = "cmdline.txt"
NAME = "roots"
BY: Mapping[str, str] = {"PARTUUID": "by-partuuid", "PARTLABEL": "by-partlabel"}
"""Names that a partition keeps, whatever is written into it; links in /dev/disk."""
OF_CONTENT = ("UUID", "LABEL")
"""Names that are in the file system, and so in the image."""
MADE = ("/dev/dm-", "/dev/mapper/", "/dev/md", "/dev/loop", "/dev/ram", "/dev/nfs")
"""Devices that the kernel makes at its start: what they will stand on cannot be told here."""
LONGEST = 200
"""Characters of a name: of a device, or what GPT and the kernel allow, with room to spare."""
HINT = "Let it say root=PARTUUID= with what `blkid -s PARTUUID -o value {device}` prints (boot partition {number})."


@dataclass(frozen=True)
class Named:
    """What a slot's cmdline.txt says; `problem` is a sentence where it does not name the slot's root for sure."""

    problem: str = ""
    another: bool = False
    """It names a device that is not the slot's."""


def refuse_another(component: ComponentSettings, slot: SlotName, root: Path = Path("/")) -> None:
    """Raise InstallFailed where the slot's boot partition would start another root."""
    found = named(component, slot, root)
    if found.another:
        raise tool.failed(found.problem, _hint(component, slot))


def finding(component: ComponentSettings, root: Path = Path("/")) -> Finding:
    """The answer of `check`: the first slot that is wrong."""
    for slot in SlotName:
        if problem := named(component, slot, root).problem:
            return Finding(NAME, False, problem, _hint(component, slot))
    return Finding(NAME, True, f"{FILE} in both boot partitions names the root of its slot.")


def named(component: ComponentSettings, slot: SlotName, root: Path = Path("/")) -> Named:
    """Look at one slot."""
    number, device = names_of(component).of(slot), _device_of(component, slot)
    where = f"{FILE} in boot partition {number}"
    try:
        line = _line(_partition(files_of(component)[0], number, root), root)
    except OSError as error:
        return Named(f"{where} cannot be looked at: {error.strerror or error}.")
    if line is None:
        return Named(f"{where} is not there.")
    told = next(iter(arguments(line, "root")[-1:]), "")
    kind, _, value = told.partition("=")
    if not told:
        return Named(f"{where} names no root.")
    if not told.isprintable() or len(told) > LONGEST:
        return Named(f"{where} is damaged: what it says after root= names no device.")
    if kind in OF_CONTENT and value:
        return Named(f"{where} names its root by the file system ({told}), which every update replaces.")
    place = _place(told)
    if place is None or place.startswith(MADE):
        return Named(f"{where} says root={told}: that it is {device} cannot be told.")
    return _compared(f"{where} says root={told}, which is", _under(root, place), _under(root, device), device)


def _compared(says: str, place: Path, slot: Path, device: str) -> Named:
    try:
        same = _same(place, slot)
    except OSError as error:
        return Named(f"{says} not to be found, or {device} is not: {error.strerror}.")
    return Named() if same else Named(f"{says} not {device}: the slot would start another root.", another=True)


def _place(told: str) -> str | None:
    """The device that `root=` names, as a path."""
    kind, _, value = told.partition("=")
    if told.startswith("/dev/"):
        return told
    return f"/dev/disk/{BY[kind]}/{value.lower() if kind == 'PARTUUID' else value}" if kind in BY and value else None


def _line(partition: Path, root: Path) -> str | None:
    table = _text(root / mounts.MOUNTINFO.relative_to("/"))
    where = mounts.mounted_at(partition.stat(), partition, table)
    if where is not None:
        try:
            with (_under(root, where) / FILE).open("rb") as file:
                content: bytes | None = file.read(fat.LIMIT_BYTES)
        except FileNotFoundError:
            return None
    else:
        content = fat.read(partition, FILE)
    return None if content is None else content.decode("utf-8", errors="replace")


def _partition(autoboot: Path, number: str, root: Path) -> Path:
    """The device of the partition with this number, on the disk that autoboot.txt is on. Source: sysfs."""
    device = _under(root, str(autoboot)).stat().st_dev
    own = (root / "sys/dev/block" / f"{os.major(device)}:{os.minor(device)}").resolve()
    for each in sorted(own.parent.glob("*/partition")):
        if _text(each).strip() == number:
            return root / "dev" / each.parent.name
    raise FileNotFoundError(2, f"the disk of {autoboot} has no partition {number}")


def _same(one: Path, other: Path) -> bool:
    first, second = one.stat(), other.stat()
    if stat.S_ISBLK(first.st_mode) and stat.S_ISBLK(second.st_mode):
        return first.st_rdev == second.st_rdev
    return os.path.samestat(first, second)


def _device_of(component: ComponentSettings, slot: SlotName) -> str:
    return component.slot_a if slot is SlotName.A else component.slot_b


def _hint(component: ComponentSettings, slot: SlotName) -> str:
    return HINT.format(number=names_of(component).of(slot), device=_device_of(component, slot))


def _under(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
