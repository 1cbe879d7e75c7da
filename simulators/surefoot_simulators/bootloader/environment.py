"""U-Boot's redundant environment as bytes: two copies, each CRC, flag and names with values.

Promises: what U-Boot and libubootenv take for the newer copy is the newer copy here; a write goes to the older one, so
that a torn write leaves the copy before. Only a bootloader that is played needs this: on a device the environment is
changed with the tools of libubootenv, and nothing of Surefoot's touches its bytes.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

COPY_BYTES = 0x1000
_HEAD = struct.Struct("<IB")
"""CRC-32 of what follows the flag, then the flag, which counts to 255 and starts again at 0."""


def encode(flag: int, variables: Mapping[str, str], size: int = COPY_BYTES) -> bytes:
    """Return one copy. Raises ValueError where the variables do not fit."""
    text = b"".join(f"{name}={value}".encode() + b"\0" for name, value in variables.items()) + b"\0"
    if len(text) > size - _HEAD.size:
        raise ValueError(f"{len(text)} bytes do not fit into a copy of {size}")
    body = text.ljust(size - _HEAD.size, b"\0")
    return _HEAD.pack(zlib.crc32(body), flag) + body


def decode(copy: bytes) -> tuple[int, dict[str, str]] | None:
    """Return (flag, variables) of a whole copy, None for any other bytes."""
    crc, flag = _HEAD.unpack_from(copy)
    body = copy[_HEAD.size :]
    if zlib.crc32(body) != crc:
        return None
    pairs = (pair.decode().partition("=") for pair in body.split(b"\0\0")[0].split(b"\0") if pair)
    return flag, {name: value for name, _, value in pairs}


@dataclass(frozen=True)
class Medium:
    """A file or partition with both copies, one behind the other."""

    path: Path
    copy_bytes: int = COPY_BYTES

    def format(self, variables: Mapping[str, str]) -> None:
        """Make both copies, as a factory does."""
        self.path.write_bytes(b"".join(encode(flag, variables, self.copy_bytes) for flag in (1, 2)))

    def config(self, file: Path) -> Path:
        """Write the `fw_env.config` that tells libubootenv of both copies."""
        file.write_text(
            "".join(f"{self.path} {at:#x} {self.copy_bytes:#x}\n" for at in (0, self.copy_bytes)), encoding="utf-8"
        )
        return file

    def read(self) -> dict[str, str] | None:
        """Return the variables of the newer whole copy, None where neither is whole."""
        copies = self._copies()
        newer = _newer(copies)
        found = copies[newer] if newer is not None else None
        return found[1] if found else None

    def write(self, variables: Mapping[str, str]) -> None:
        """Replace the older copy."""
        copies = self._copies()
        newer = _newer(copies)
        found = copies[newer] if newer is not None else None
        flag, older = (found[0] + 1) & 0xFF if found else 1, 1 - newer if newer is not None else 0
        with self.path.open("r+b") as medium:
            medium.seek(older * self.copy_bytes)
            medium.write(encode(flag, variables, self.copy_bytes))
            medium.flush()
            os.fsync(medium.fileno())

    def _copies(self) -> tuple[tuple[int, dict[str, str]] | None, tuple[int, dict[str, str]] | None]:
        raw = self.path.read_bytes()
        return decode(raw[: self.copy_bytes]), decode(raw[self.copy_bytes : 2 * self.copy_bytes])


def _newer(copies: tuple[tuple[int, dict[str, str]] | None, tuple[int, dict[str, str]] | None]) -> int | None:
    first, second = copies
    if first is None or second is None:
        return 0 if first else 1 if second else None
    if {first[0], second[0]} == {0, 255}:
        return 0 if first[0] == 0 else 1
    return 1 if second[0] > first[0] else 0
