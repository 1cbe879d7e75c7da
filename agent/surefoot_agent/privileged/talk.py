"""What the agent and the privileged half say to each other: frames, fixed verbs, typed values.

Promises: a frame is four bytes of length and as many bytes, never more than its reader allows; a request is a frame of
JSON that decodes as `Request` or ends the connection; bytes of files and metadata follow in frames of their own, so
nothing here ever names a path outside a slot. Versioned: another `v` is refused. Raises Gone where the other end is.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from surefoot_agent.finding import Finding
from surefoot_agent.ports import BootTrial, Capabilities, Piece, Running
from surefoot_agent.trial import Trial, Verdict
from surefoot_agent.trust_talk import Failure
from surefoot_shared import wire
from surefoot_shared.errors import Unreachable
from surefoot_shared.image import IMAGE_LIMIT_BYTES
from surefoot_shared.paths import check_tree_path
from surefoot_shared.release import NAME, SHA256
from surefoot_shared.status import SlotName, SlotState

_LENGTH = struct.Struct(">I")
REQUEST_BYTES = 16 * 1024
REPLY_BYTES = 256 * 1024
CHUNK_BYTES = 1024 * 1024
"""Largest frame of a file's bytes."""
ROOT_BYTES, ROLE_BYTES, ROOTS_LIMIT = 64_000, 400_000, 64
"""As the device's TUF client allows."""
TEXT_CHARS = 400
DRAIN_BYTES = 1024 * CHUNK_BYTES
"""What a client may still be sending of a file that was refused; more than that ends the connection."""


class Gone(Exception):
    """The other end closed the connection, was silent for too long, or sent what is no frame."""


class Verb(str, Enum):
    """Everything that may be asked."""

    LOCK = "lock"
    UNLOCK = "unlock"
    PROVE = "prove"
    ROOM = "room"
    BEGIN = "begin"
    REUSE = "reuse"
    WRITE = "write"
    SEAL = "seal"
    CLEAR = "clear"
    READ = "read"
    BOOT = "boot"
    SET_STATE = "set_state"
    ARM_SLOT = "arm_slot"
    SET_PRIMARY = "set_primary"
    COMMIT_SLOT = "commit_slot"
    ARM = "arm"
    DECIDE = "decide"
    FINISH = "finish"
    START = "start"
    STOP = "stop"
    RUNNING = "running"
    TEND = "tend"
    LOG = "log"
    PIDS = "pids"
    LISTENS = "listens"
    EXAMINE = "examine"
    DATA = "data"
    CARRY_THERE = "carry_there"
    CARRY_BACK = "carry_back"
    CARRY_COMMIT = "carry_commit"
    CARRY_FINISH = "carry_finish"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. What a verb does not need is left at its default and not looked at."""

    verb: Verb
    component: str
    slot: SlotName = SlotName.A
    state: SlotState = SlotState.BAD
    piece: Piece | None = None
    digest: str = ""
    assignment: str = ""
    attempt: int = 0
    verdict: Verdict = Verdict.UNHEALTHY
    reason: str = ""
    budget_s: float = 0.0
    lock_wait_s: float = 0.0
    max_starts: int = 1
    set: str = ""
    """The set whose one verdict is that of the trial."""
    number: int = 0
    """A port, or lines of a log."""
    inodes: int = 0
    """Of a release that is to fit."""
    begin: int = 0
    size_bytes: int = 0
    """Of a release that is to fit, or of what is read of a slot, from `begin` on."""
    sizes: tuple[int, ...] = ()
    """Of `prove`: manifest, targets, role, then the roots, in the order of the frames that follow."""
    v: int = 1

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.component):
            raise ValueError("component is malformed")
        if self.piece is not None:
            _check_piece(self.piece)
        if self.digest and not SHA256.fullmatch(self.digest):
            raise ValueError("digest is malformed")
        if max(len(self.assignment), len(self.reason), len(self.set)) > TEXT_CHARS or len(self.sizes) > 3 + ROOTS_LIMIT:
            raise ValueError("assignment, reason, set or sizes is too long")
        if not 0 <= self.attempt < 1 << 31 or not 0 <= self.number <= 65_535 or not 1 <= self.max_starts <= 100:
            raise ValueError("attempt, number or max_starts is out of range")
        if not 0 <= self.begin <= IMAGE_LIMIT_BYTES or not 0 <= self.size_bytes <= IMAGE_LIMIT_BYTES:
            raise ValueError("begin or size_bytes is out of range")
        if not 0 <= self.inodes < 1 << 31:
            raise ValueError("inodes is out of range")
        if not 0 <= self.budget_s <= 86_400 or not 0 <= self.lock_wait_s <= 3600:
            raise ValueError("budget_s or lock_wait_s is out of range")


def _check_piece(piece: Piece) -> None:
    check_tree_path(piece.name)
    if piece.chunk < 0 or not SHA256.fullmatch(piece.sha256) or not 0 <= piece.begin <= piece.end <= piece.blob_bytes:
        raise ValueError("piece is malformed")


@dataclass(frozen=True, slots=True)
class BootFacts:
    current: SlotName | None
    primary: SlotName | None
    states: dict[str, SlotState]
    trial: BootTrial
    capabilities: Capabilities
    error: Failure | None = None
    """Why neither slot is shown."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`failure` says what went wrong; `offset`: send the bytes from there, in frames, an empty one last."""

    failure: Failure | None = None
    yes: bool = False
    offset: int | None = None
    boot: BootFacts | None = None
    trial: Trial | None = None
    running: Running | None = None
    text: str = ""
    pids: tuple[int, ...] = ()
    pieces: tuple[Piece, ...] = ()
    """What is left to be fetched of one that was to be reused."""
    findings: tuple[Finding, ...] = ()
    size_bytes: int | None = None
    """So many bytes of a slot follow, in one frame. Of `data`: those of a copy, and `yes` or why it has no room."""
    v: int = 1


class Wire:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self.until_s: float | None = None
        """When (monotonic) a frame must have come whole, however often a byte of it does; None for no such time."""

    def send(self, data: bytes) -> None:
        try:
            self._whole(data)
        except OSError as error:
            raise Gone(str(error)) from error

    def _whole(self, data: bytes) -> None:
        """Length and data in one go, and the data are not copied for it."""
        sent = self._socket.sendmsg([_LENGTH.pack(len(data)), data])
        if sent < _LENGTH.size:
            self._socket.sendall(_LENGTH.pack(len(data))[sent:] + data)
        elif sent < _LENGTH.size + len(data):
            self._socket.sendall(memoryview(data)[sent - _LENGTH.size :])

    def receive(self, limit: int) -> bytes:
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > limit:
            raise Gone(f"a frame of {length} bytes where {limit} are allowed")
        return self._exactly(length)

    def say(self, value: Request | Reply) -> None:
        self.send(wire.encode(value))

    def chunks(self) -> Iterator[bytes]:
        """The frames up to the empty one."""
        while chunk := self.receive(CHUNK_BYTES):
            yield chunk

    def _exactly(self, size: int) -> bytes:
        content = bytearray(size)
        left = memoryview(content)
        while left:
            if self.until_s is not None:
                self._socket.settimeout(max(0.001, self.until_s - time.monotonic()))
            try:
                count = self._socket.recv_into(left)
            except OSError as error:
                raise Gone(str(error)) from error
            if not count:
                raise Gone("the connection was closed")
            left = left[count:]
        return bytes(content)


class Incoming:
    """The bytes of one file as the client sends them: a source for whoever writes them. `finish` ends it in step."""

    def __init__(self, wire: Wire) -> None:
        self._wire, self._under_way = wire, False
        self._lost: Gone | None = None

    def __call__(self, offset: int) -> Iterator[bytes]:
        """Ask for the bytes from there on. Raises Unreachable where they end too early, as any source does."""
        self._wire.say(Reply(offset=offset))
        self._under_way = True
        return self._chunks()

    def finish(self) -> None:
        """Read and drop what is not wanted any more. Raises Gone where the client is, or does not stop sending."""
        if self._lost is not None:
            raise self._lost
        size_bytes = 0
        for chunk in self._wire.chunks() if self._under_way else ():
            size_bytes += len(chunk)
            if size_bytes > DRAIN_BYTES:
                raise Gone("the client does not stop sending")

    def _chunks(self) -> Iterator[bytes]:
        try:
            yield from self._wire.chunks()
        except Gone as gone:
            self._lost = gone
            raise Unreachable("unreachable", "The bytes ended too early.") from gone
        self._under_way = False
