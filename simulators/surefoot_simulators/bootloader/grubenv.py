"""GRUB's environment blocks as bytes: two copies that say which is newer and whether they are whole.

Promises: what packaging/grub/surefoot.cfg takes for the newer copy is the newer copy here, and a write goes to the
older one in its place, as GRUB's `save_env` does. Only a bootloader that is played needs this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent.boot.grub import ORDER, Copy, decode, newer

BLOCK_BYTES = 1024
HEAD = b"# GRUB Environment Block\n"


def encode(variables: Mapping[str, str]) -> bytes:
    """Return one block with Surefoot's variables in their order. Raises ValueError where they do not fit."""
    lines = "".join(f"{name}={variables.get(name, '')}\n" for name in ORDER).encode()
    if len(HEAD + lines) > BLOCK_BYTES:
        raise ValueError(f"{len(HEAD + lines)} bytes do not fit into a block of {BLOCK_BYTES}")
    return (HEAD + lines).ljust(BLOCK_BYTES, b"#")


@dataclass(frozen=True)
class Copies:
    """Both files."""

    paths: tuple[Path, Path]

    def format(self) -> None:
        """Make both copies as a factory does, by `grub-editenv create`: they hold nothing."""
        for path in self.paths:
            path.write_bytes(HEAD.ljust(BLOCK_BYTES, b"#"))

    def read(self) -> dict[str, str] | None:
        """Return the variables of the newer whole copy, None where neither is whole."""
        return {name: value for name, value in found.values.items() if value} if (found := self._newest()) else None

    def write(self, variables: Mapping[str, str]) -> None:
        """Replace the older copy."""
        found = self._newest()
        older = self.paths[1 - found.number] if found else self.paths[1]
        turn = str((found.turn + 1) % 3) if found else "0"
        with older.open("r+b") as file:
            file.write(encode({**variables, ORDER[0]: turn, ORDER[-1]: turn}))

    def _newest(self) -> Copy | None:
        return newer([decode(number, path.read_bytes()) for number, path in enumerate(self.paths)])
