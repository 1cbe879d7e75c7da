"""What the server and the process that makes packs say to each other, one JSON value each way."""

from __future__ import annotations

from dataclasses import dataclass

from surefoot_shared.pack import Encoding


@dataclass(frozen=True)
class Order:
    """`from_manifest` is empty for packs that start from nothing; `blobs` is the root of the store's folders."""

    from_manifest: str
    to_manifest: str
    blobs: str
    folder: str
    encoding: Encoding
    memory_bytes: int
    """Of address space; 0 sets no limit."""
    limit_bytes: int = 0
    """What the packs together may take of the disk; 0 sets no limit."""
    cpu_s: int = 0
    """Time of the processor; 0 sets no limit."""


@dataclass(frozen=True)
class Written:
    """A pack in a file of its own name."""

    sha256: str
    size_bytes: int
    encoding: Encoding
    decoded_bytes: int
    members: int


@dataclass(frozen=True)
class Answer:
    manifest: Written
    """The pack that makes the new manifest itself."""
    packs: tuple[Written, ...]
    seconds: float
    peak_bytes: int
    lacking_bytes: int
    """Of what the old release lacks: what would be fetched without packs, uncompressed."""
