"""Which slot runs, by what the bootloader wrote on the kernel's command line.

Promises: only a value that names one slot, and not the other, counts. Refuses to guess from mounts: an overlay or an
initramfs may stand between the root and its partition.
"""

from __future__ import annotations

import re
from pathlib import Path

from surefoot_agent.boot import tool
from surefoot_agent.boot.variables import Names
from surefoot_shared.status import SlotName

CMDLINE = Path("/proc/cmdline")


def current_slot(key: str, names: Names, file: Path = CMDLINE) -> SlotName:
    """Return the slot that `key=value` names. Raises InstallFailed where none is named."""
    try:
        values = arguments(file.read_text(encoding="utf-8", errors="replace"), key)
    except OSError as error:
        raise tool.failed(f"{file} cannot be read: {error.strerror}.") from error
    found = {slot for slot in SlotName for value in values[-1:] if _names(value, names.of(slot))}
    if len(found) != 1:
        said = f"{key}={values[-1]}" if values else f"no {key}="
        hint = "Let the bootloader name the slot there, or set boot_argument and boot_slots."
        raise tool.failed(f"The kernel's command line has {said}, which names no slot.", hint)
    return found.pop()


def arguments(line: str, key: str) -> list[str]:
    """Return every value of `key`, as they follow each other; the kernel takes the last."""
    return [word.partition("=")[2] for word in line.split() if word.partition("=")[0] == key and "=" in word]


def _names(value: str, name: str) -> bool:
    """Say whether a value is the name, or ends with it: A is named by `A` and `PARTLABEL=slot_A`, 2 by /dev/mmcblk0p2.

    Before the name there must be something else than more of it: 12 is not 2, and data is not a.
    """
    kind = r"[0-9]" if name.isdigit() else r"[A-Za-z0-9]"
    return re.search(rf"(?<!{kind}){re.escape(name)}$", value, re.IGNORECASE) is not None
