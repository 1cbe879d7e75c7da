"""The bundle: every metadata file one device needs, in one compressed document; the same over MQTT, HTTP or USB stick.

Format 1: zlib over JSON {v, device, director: {file name: text}, image: {file name: text}}. The text of a file is
exactly what was signed. Promises of `unpack`: never more than the stated memory, only names that a TUF repository has,
and no exception but UntrustedRelease(bundle_malformed). The bundle itself proves nothing: `verify` does.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, Invalid, UntrustedRelease

RAW_LIMIT_BYTES = 1024 * 1024
"""The compressed form; a role of 1,000 releases with their notes takes 233 kB."""
LIMIT_BYTES = 4 * 1024 * 1024
"""Decompressed: zlib can grow its input a thousand times, a camera's memory cannot."""
FILES_LIMIT = 600
"""Two chains of at most 256 root rotations each, and a handful of other files."""
FILE_NAME = re.compile(r"(?:[1-9][0-9]{0,17}\.)?[A-Za-z0-9_%-]{1,80}\.json")


@dataclass(frozen=True, slots=True)
class Bundle:
    """Files by their name in the repository, such as `3.targets.json`."""

    device: str
    director: Mapping[str, str] = field(default_factory=dict)
    image: Mapping[str, str] = field(default_factory=dict)
    v: int = 1


def pack(bundle: Bundle) -> bytes:
    return zlib.compress(wire.encode(bundle), 6)


def unpack(raw: bytes) -> Bundle:
    """Return the bundle's files, unverified; raises UntrustedRelease(bundle_malformed)."""
    try:
        bundle = wire.decode(Bundle, _decompress(raw), LIMIT_BYTES)
    except Invalid as error:
        raise _malformed(error.message) from error
    names = [*bundle.director, *bundle.image]
    if len(names) > FILES_LIMIT or not all(FILE_NAME.fullmatch(name) for name in names):
        raise _malformed("it holds too many files, or names that no repository has.")
    return bundle


def read_bundle(path: Path) -> bytes:
    """Return a bundle's bytes from a file that may be anything; raises ConfigError or UntrustedRelease."""
    try:
        with path.open("rb") as file:
            raw = file.read(RAW_LIMIT_BYTES + 1)
    except OSError as error:
        raise ConfigError("config_unreadable", f"The bundle {path} cannot be read: {error.strerror}.") from error
    unpack(raw)
    return raw


def _decompress(raw: bytes) -> bytes:
    if len(raw) > RAW_LIMIT_BYTES:
        raise _malformed(f"it has {len(raw)} bytes; {RAW_LIMIT_BYTES} are allowed.")
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(raw, LIMIT_BYTES)
    except zlib.error as error:
        raise _malformed("it cannot be decompressed.") from error
    if not stream.eof:
        raise _malformed(f"it is truncated, or larger than {LIMIT_BYTES} bytes.")
    return text


def _malformed(why: str) -> UntrustedRelease:
    return UntrustedRelease("bundle_malformed", f"The bundle cannot be read: {why}")
