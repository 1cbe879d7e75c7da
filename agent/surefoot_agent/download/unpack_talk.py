"""What the agent and the unpacking child say to each other: one message an order, one an answer, files as descriptors.

Promises: what a stranger made is never in these messages; it is read by the child from the descriptors alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from surefoot_shared.pack import Encoding

MESSAGE_BYTES = 128 * 1024
SPOILT, OUT_OF_MEMORY, NOT_SEALED, GONE = 3, 4, 5, 6
"""Exit codes of a job: what was given cannot be unpacked; nor in this memory; the jail failed; nobody reads."""


class What(str, Enum):
    """What a job brings."""

    STREAM = "stream"
    """The decoded bytes, as many as were asked for."""
    INDEX = "index"
    """The index of a pack, without its head."""
    MEMBERS = "members"
    """What the wanted members of a pack make, one after the other."""


@dataclass(frozen=True, slots=True)
class Job:
    """`wanted` is a bitmap of members, see `surefoot_shared.pack`; `size_bytes` is what a stream must have."""

    what: What
    encoding: Encoding
    memory_bytes: int
    cpu_s: int
    size_bytes: int = 0
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class Ready:
    """The child's first word: what it can read, and whether it can patch; nothing where it cannot be confined."""

    encodings: tuple[Encoding, ...]
    patches: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """`code` is the exit code of the process that did the job, negative for the signal that ended it."""

    code: int
    peak_bytes: int = 0
    """Of that process's resident memory, what it shares with the child counted too."""
