"""EMULATIONS of firmware that this project cannot run: what a Raspberry Pi, a Jetson, UEFI and systemd-boot enter.

Promises: pure functions of what is stored, written from the vendors' documentation and sources and not from the
agent's code, with the ways in which they go wrong. Refuses to stand for hardware: docs/boards.md says which was met.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Pi:
    """What the Pi's firmware handed to Linux: the boot partition, and whether it was a tryboot."""

    partition: int
    tryboot: bool


def raspberry_pi(autoboot: bytes, flags: int) -> Pi:
    """Read autoboot.txt as the firmware does: a file above 512 bytes is not read, a filter holds until the next one.

    The flag is one-shot: whoever plays this clears it. Without the file, or without tryboot_a_b, a partition is chosen
    by other rules, of which only "the first one" is played.
    """
    wanted = bool(flags & 1)
    if len(autoboot) > 512:
        return Pi(1, wanted)
    values: dict[str, str] = {}
    applies = True
    for raw in autoboot.decode("latin-1").splitlines():
        line = raw.partition("#")[0].strip()
        if line.startswith("["):
            applies = line == "[all]" or (line == "[tryboot]" and wanted)
        elif applies and "=" in line:
            key, _, value = line.partition("=")
            values[key.strip()] = value.strip()
    number = values.get("boot_partition", "1")
    return Pi(int(number) if re.fullmatch(r"[0-9]{1,2}", number) else 1, wanted)


@dataclass(frozen=True)
class Roots:
    """What a Jetson's firmware keeps of its two slots: which one is active, starts left, and who is unbootable."""

    active: int
    left: tuple[int, int]
    unbootable: tuple[bool, bool]


RETRIES = 3
"""RootfsRetryCountMax, set when a board is flashed."""


def jetson(found: Roots) -> tuple[int | None, Roots]:
    """Start as L4TLauncher does with redundant roots: None is the recovery kernel, where neither slot can be started.

    The count alone decides; the status is written when a count ran out, and read where the register was lost, and where
    both are unbootable. Source: edk2-nvidia, L4TRootfsValidation.c.
    """
    active, left, unbootable = found.active, list(found.left), list(found.unbootable)
    if not all(unbootable):
        for slot in (active, 1 - active):
            if left[slot] > 0:
                left[slot] -= 1
                return slot, Roots(slot, (left[0], left[1]), (unbootable[0], unbootable[1]))
            unbootable[slot] = True
    return None, Roots(active, (0, 0), (unbootable[0], unbootable[1]))


def jetson_cold(found: Roots) -> Roots:
    """Lose the register that counts: it is filled up for each slot that is not unbootable."""
    first, second = (0 if bad else RETRIES for bad in found.unbootable)
    return Roots(found.active, (first, second), found.unbootable)


def efi_number(variables: Mapping[str, bytes]) -> tuple[str, dict[str, bytes]]:
    """Start as UEFI says: BootNext is removed before its entry is started, else the first of BootOrder.

    Values are those of efivarfs: four bytes of attributes before the value, numbers with the lowest byte first.
    """
    left = dict(variables)
    following = left.pop("BootNext", None)
    value = following[4:6] if following is not None else left["BootOrder"][4:6]
    left["BootCurrent"] = left["BootOrder"][:4] + value
    return f"{int.from_bytes(value, 'little'):04X}", left


_COUNTED = re.compile(r"(.*?)\+([0-9]+)(?:-([0-9]+))?(\.conf|\.efi)")


def systemd_boot(entries: Collection[str]) -> tuple[str, str]:
    """Choose an entry as systemd-boot does where `default` matches them all, and count its start in its name.

    Returns the name that was chosen and what it is called now. Without sort keys entries stand by their id without the
    count, highest version first; those with no start left come last.
    """

    def order(name: str) -> tuple[bool, list[tuple[int, str]]]:
        counted = _COUNTED.fullmatch(name)
        words = re.findall(r"[0-9]+|[^0-9]+", f"{counted[1]}{counted[4]}" if counted else name)
        return not (counted and int(counted[2]) == 0), [(int(w) if w.isdigit() else -1, w) for w in words]

    chosen = max(entries, key=order)
    counted = _COUNTED.fullmatch(chosen)
    if counted is None or int(counted[2]) == 0:
        return chosen, chosen
    left, done = int(counted[2]) - 1, int(counted[3] or 0) + 1
    return chosen, f"{counted[1]}+{left}-{done}{counted[4]}"
