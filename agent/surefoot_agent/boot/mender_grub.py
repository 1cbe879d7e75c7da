"""Mender's environment for GRUB: two blocks, each beside a lock that says whether it is being written.

Promises: a change is made as Mender's own tools and GRUB scripts make it, the second block first, each between
`editing=1` and `editing=0`; what is read is what those scripts would start from, so whatever tears, it is the state
before or after. A pair that tore is made whole again from the other, at the next change or the next start of a
committed slot. Refuses blocks without Mender's variables.
Source: the protocol that `grub-mender-grubenv-print` documents; only `grub-editenv` changes a variable.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent.boot import tool
from surefoot_agent.boot.grub import parse, sync_file
from surefoot_agent.guard import fsync_folder

NEEDED = ("mender_boot_part", "upgrade_available", "bootcount")
"""What GRUB's scripts load from a block; without these it holds nothing for them."""
BLOCK_BYTES = 1024
"""What `grub-editenv` makes; a shorter one it was cut short in."""


@dataclass(frozen=True)
class Pair:
    """A block and its lock."""

    env: Path
    lock: Path

    @classmethod
    def within(cls, folder: Path) -> Pair:
        return cls(folder / "env", folder / "lock")


def variables(block: bytes) -> dict[str, str]:
    """Return what GRUB reads from a block; nothing from one that is cut."""
    return parse(block) if len(block) == BLOCK_BYTES else {}


def holds(block: bytes) -> bool:
    found = variables(block)
    return all(found.get(name) for name in NEEDED)


def authority(editing: Sequence[bool]) -> int:
    """Return from which block GRUB starts: the first, unless that one alone was being written."""
    return 1 if editing[0] and not editing[1] else 0


class MenderGrubEnvironment:
    """Both pairs; the same verbs as those of U-Boot's environment."""

    title = "Mender's environment for GRUB"
    place = "boot_files: both must be the folders that Mender's GRUB scripts read"

    def __init__(self, pairs: tuple[Pair, Pair]) -> None:
        self._pairs = pairs

    def read(self) -> dict[str, str]:
        """Return every variable; none where no block holds Mender's."""
        number = self._whole()
        return {} if number is None else {n: v for n, v in variables(_bytes(self._pairs[number].env)).items() if v}

    def change(self, changes: Mapping[str, str | None]) -> None:
        """Set and remove variables, all or none. Raises InstallFailed where they do not read back."""
        self._mend()
        told = [f"{name}={value or ''}" for name, value in changes.items()]
        for pair in reversed(self._pairs):
            self._edit(pair.lock, "set", "editing=1")
            self._edit(pair.env, "set", *told)
            self._edit(pair.lock, "set", "editing=0")
        self._sync_all()
        left = self.read()
        wrong = sorted(name for name, value in changes.items() if left.get(name, "") != (value or ""))
        if wrong:
            raise tool.failed(f"{self.title} does not read back: {', '.join(wrong)}.")

    def commands(self, name: str, value: str) -> tuple[tuple[str, ...], ...]:
        """Return the commands that set one variable in both blocks, for whoever has no boot control."""
        program = shutil.which("grub-editenv", path=tool.PATH)
        if not program:
            return ()
        return tuple(
            (program, str(file), "set", word)
            for pair in reversed(self._pairs)
            for file, word in ((pair.lock, "editing=1"), (pair.env, f"{name}={value}"), (pair.lock, "editing=0"))
        )

    def sync(self) -> None:
        """Make durable what GRUB or a killed tool wrote last, and whole what it left torn."""
        self._mend()
        self._sync_all()

    def copies(self) -> int:
        """Return how many pairs hold Mender's variables."""
        return sum(holds(_bytes(pair.env)) and not _editing(pair) for pair in self._pairs)

    def _whole(self) -> int | None:
        first = authority([_editing(pair) for pair in self._pairs])
        return next((n for n in (first, 1 - first) if holds(_bytes(self._pairs[n].env))), None)

    def _mend(self) -> None:
        """Make a pair that tore the same as the one that counts, its lock last."""
        number = self._whole()
        if number is None:
            raise tool.failed(f"{self.title} has no whole copy.")
        good, torn = self._pairs[number], self._pairs[1 - number]
        if _editing(good):  # only where both were being written: the first counts, and its lock alone is missing
            self._edit(good.lock, "create")
            self._edit(good.lock, "set", "editing=0")
        same = variables(_bytes(torn.env)) == variables(_bytes(good.env))
        if same and not _editing(torn):
            return
        if not _editing(torn):
            self._edit(torn.lock, "set", "editing=1")
        _copy(good.env, torn.env)
        _copy(good.lock, torn.lock)

    def _sync_all(self) -> None:
        for pair in self._pairs:
            for file in (pair.env, pair.lock):
                sync_file(file)

    def _edit(self, file: Path, *words: str) -> None:
        tool.run(("grub-editenv", str(file), *words))
        sync_file(file)


def _editing(pair: Pair) -> bool:
    return variables(_bytes(pair.lock)).get("editing") != "0"


def _bytes(file: Path) -> bytes:
    with suppress(FileNotFoundError):
        return file.read_bytes()
    return b""


def _copy(source: Path, target: Path) -> None:
    """Write a block in its place: a file that is never cut short keeps its sectors."""
    block = source.read_bytes()
    with target.open("r+b" if target.exists() else "wb", buffering=0) as file:
        file.write(block)
        os.fsync(file.fileno())
    fsync_folder(target.parent)
