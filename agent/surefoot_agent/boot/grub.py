"""GRUB's environment: two blocks in two files, changed with `grub-editenv`; boot control is that of U-Boot's variables.

Promises: GRUB's block has no checksum and its tools write it in place, so there are two copies: a change goes to the
older one, begins and ends with the same word, and is read back; whatever tears, the copy before is whole. Refuses
blocks that GRUB itself never wrote: the canary shows that Linux and packaging/grub/surefoot.cfg look at the same files.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent.boot import tool
from surefoot_agent.guard import fsync_folder

ORDER = (
    "surefoot_begin",
    "surefoot_canary",
    "surefoot_slot",
    "surefoot_try",
    "surefoot_left",
    "surefoot_failed",
    "surefoot_starts",
    "surefoot_limit",
    "surefoot_a",
    "surefoot_b",
    "surefoot_end",
)
"""The variables of a copy as they stand in the block: a torn one does not begin and end with the same word."""
BEGIN, END = ORDER[0], ORDER[-1]
SIGNATURE = b"# GRUB Environment Block\n"


@dataclass(frozen=True)
class Copy:
    """A whole copy. `turn` is 0, 1 or 2, and one further at each write: the newer of two is the one that follows."""

    number: int
    turn: int
    values: Mapping[str, str]


def parse(block: bytes) -> dict[str, str]:
    """Return the variables of a block; nothing from one that GRUB never wrote."""
    if not block.startswith(SIGNATURE):
        return {}
    lines = block.split(b"\n")[1:-1]  # what is not ended is not a line, for GRUB either
    pairs = (line.decode(errors="replace").partition("=") for line in lines if not line.startswith(b"#"))
    return {name: value for name, sign, value in pairs if sign}


def decode(number: int, block: bytes) -> Copy | None:
    """Return a whole copy; None for what was torn, or never written."""
    values = parse(block)
    turn = values.get(BEGIN, "")
    whole = turn in ("0", "1", "2") and values.get(END) == turn
    return Copy(number, int(turn), {n: v for n, v in values.items() if n not in (BEGIN, END)}) if whole else None


def newer(copies: Sequence[Copy | None]) -> Copy | None:
    """Return the newer of two copies, the only whole one, or None."""
    first, second = copies
    if first is None or second is None:
        return first or second
    return second if second.turn == (first.turn + 1) % 3 else first


def sync_file(file: Path) -> None:
    """Make durable what another program wrote."""
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class GrubEnvironment:
    """Both copies; the same verbs as those of U-Boot's environment."""

    title = "GRUB's environment"
    place = "boot_files: both must be the files that GRUB's surefoot.cfg reads"

    def __init__(self, files: tuple[Path, Path]) -> None:
        self._files = files

    def read(self) -> dict[str, str]:
        """Return every variable; none where no copy is whole."""
        found = newer(self._copies())
        return {name: value for name, value in found.values.items() if value} if found else {}

    def change(self, changes: Mapping[str, str | None]) -> None:
        """Set and remove variables, all or none. Raises InstallFailed where they do not read back."""
        newest = newer(self._copies())
        if newest is None:
            raise tool.failed("GRUB's environment has no whole copy.")
        turn = str((newest.turn + 1) % 3)
        wanted = {**newest.values, **{name: value or "" for name, value in changes.items()}}
        told = [f"{name}={wanted.get(name, '')}" for name in ORDER[1:-1]]
        file = str(self._files[1 - newest.number])
        tool.run(("grub-editenv", file, "create"))  # what is torn can only be made anew, and the order is ours then
        tool.run(("grub-editenv", file, "set", f"{BEGIN}={turn}", *told, f"{END}={turn}"))
        self.sync()
        left = self.read()
        wrong = sorted(name for name, value in changes.items() if left.get(name, "") != (value or ""))
        if wrong:
            raise tool.failed(f"GRUB's environment does not read back: {', '.join(wrong)}.")

    def commands(self, name: str, value: str) -> tuple[tuple[str, ...], ...]:
        """Return the commands that set one variable in both copies, for whoever has no boot control.

        None without the tool. A copy that tears meanwhile leaves the other: it says the same, or is of before.
        """
        program = shutil.which("grub-editenv", path=tool.PATH)
        return tuple((program, str(file), "set", f"{name}={value}") for file in self._files) if program else ()

    def sync(self) -> None:
        """Make durable what was written by whoever wrote last: neither GRUB nor its tools sync."""
        for file in self._files:
            sync_file(file)
        for folder in {file.parent for file in self._files}:
            fsync_folder(folder)

    def _copies(self) -> list[Copy | None]:
        found: list[Copy | None] = []
        for number, file in enumerate(self._files):
            block = b""
            with suppress(FileNotFoundError):
                block = file.read_bytes()
            found.append(decode(number, block))
        return found
