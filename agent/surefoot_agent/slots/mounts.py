"""Who uses a block device or a file at this moment, as the kernel shows it; so that nothing in use is written.

Reads /proc/self/mountinfo by device number, and /sys for the loop devices that stand on a file. A mount in another
namespace, a mapping or swap is not seen here: the kernel's exclusive open (O_EXCL), which `medium` uses, refuses it.
Source: proc(5), open(2).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")
BLOCK = Path("/sys/block")


def mounted_at(status: os.stat_result, path: Path, table: str) -> str | None:
    """Where the device, or the file through a loop device, is mounted; `table` is the text of mountinfo."""
    devices = {_number(status.st_rdev)} if stat.S_ISBLK(status.st_mode) else set(_loops_of(path))
    for line in table.splitlines():
        fields = line.split(" ")
        if len(fields) > 4 and fields[2] in devices:
            return _unescaped(fields[4])
    return None


def kind_of(file: Path, root: Path = Path("/")) -> str:
    """The kind of file system that a file is on, by the longest mount point above it; empty where nothing shows it."""
    try:
        lines = (root / MOUNTINFO.relative_to("/")).read_text(errors="replace").splitlines()
    except OSError:
        return ""
    found = [(_unescaped(line.split(" ")[4]), line.partition(" - ")[2].split(" ")[0]) for line in lines]
    above = [(where, kind) for where, kind in found if file.is_relative_to(where)]
    return max(above, key=lambda each: len(each[0]), default=("", ""))[1]


def table() -> str:
    """The mounts of this process; nothing where there is no /proc."""
    try:
        return MOUNTINFO.read_text(errors="replace")
    except OSError:
        return ""


def _number(device: int) -> str:
    return f"{os.major(device)}:{os.minor(device)}"


def _loops_of(path: Path) -> Iterator[str]:
    """Numbers of the loop devices that stand on this file, and of their partitions."""
    real = os.path.realpath(path)
    for loop in BLOCK.glob("loop*"):
        if _text(loop / "loop/backing_file") == real:
            yield from (_text(device) for device in (loop / "dev", *loop.glob("loop*p*/dev")))


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _unescaped(text: str) -> str:
    for code, sign in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, sign)
    return text
