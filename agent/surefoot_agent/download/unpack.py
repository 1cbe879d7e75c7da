"""Turn what was fetched into what was signed, in a child that may do nothing else.

Promises: of what a stranger made the agent itself parses the index of a pack, which is bounded, and nothing more; a job
that asks for too much memory, runs without end, writes too much or dies is a source that failed (InstallFailed
artifact_corrupt), and the agent goes on. The child is started when it is first needed, and anew where it had to be
killed. Refuses to believe a byte: the slot checks what comes by its signed hash.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from surefoot_agent.download.unpack_talk import MESSAGE_BYTES, OUT_OF_MEMORY, Finished, Job, Ready, What
from surefoot_shared import pack, wire
from surefoot_shared.errors import InstallFailed, Invalid
from surefoot_shared.pack import DECODER_LIMIT_BYTES, Encoding, Member, PackIndex

log = logging.getLogger(__name__)
START_S = 30.0
"""A Python that starts on the slowest board under load."""
SETTLE_S = 5.0
SLACK_BYTES = DECODER_LIMIT_BYTES + 32 * 1024 * 1024
"""For the codec itself, an index parsed, and what the allocator keeps."""
CPU_S, SLOWEST_BYTES_PER_S = 20, 1024 * 1024
"""What a job may take of the processor: this, and a second more for so many bytes."""
LOOK_S = 0.1
READ_BYTES = 256 * 1024
GIVES_BACK = "glibc.malloc.mmap_threshold=262144:glibc.malloc.trim_threshold=262144"
"""What is large is given back at once: else the library keeps what the base of the patch before this one took."""
PIPE_BYTES = 1024 * 1024
Stop = Callable[[], bool]
Feed = Callable[[Member], Iterator[bytes]]
"""The bytes that a member's patch is applied to."""


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    line: socket.socket
    ready: Ready


class Unpacker:
    """One child, for one thread at a time."""

    def __init__(self, cpu_s: int = CPU_S, slack_bytes: int = SLACK_BYTES) -> None:
        self._cpu_s, self._slack_bytes = cpu_s, slack_bytes
        self._child: _Child | None = None
        self.peak_bytes = 0
        """The most that a job had of memory."""

    def ready(self) -> Ready:
        """What this device can unpack; nothing where it cannot confine who does."""
        return self._started().ready

    def index(self, packed: int, encoding: Encoding, stop: Stop) -> PackIndex:
        """Return what a pack says that it holds. Raises InstallFailed(artifact_corrupt)."""
        job = Job(What.INDEX, encoding, self._slack_bytes, self._cpu_s)
        with self._doing(job, packed, None, stop) as unpacked:
            raw = b"".join(unpacked.rest(pack.INDEX_LIMIT_BYTES))
        try:
            return pack.parse_index(raw)
        except Invalid as error:
            raise spoilt(error.message) from error

    @contextmanager
    def stream(self, packed: int, encoding: Encoding, size_bytes: int, stop: Stop) -> Iterator[Unpacked]:
        """Have `size_bytes` decoded, from the beginning to the end of what is packed."""
        job = Job(What.STREAM, encoding, self._slack_bytes, self._cpu(size_bytes), size_bytes)
        with self._doing(job, packed, None, stop) as unpacked:
            yield unpacked

    @contextmanager
    def members(
        self, packed: int, encoding: Encoding, index: PackIndex, wanted: Collection[int], feed: Feed, stop: Stop
    ) -> Iterator[Unpacked]:
        """Have the wanted members made, in their order; `feed` is asked for bases by another thread."""
        chosen = [index.members[number] for number in sorted(wanted)]
        memory = self._slack_bytes + 9 * max(map(_memory, chosen), default=0) // 8  # buffers grow by eighths
        cpu_s = self._cpu(index.payload_bytes + sum(member.size_bytes for member in chosen))
        bitmap = pack.bitmap(wanted, len(index.members))
        job = Job(What.MEMBERS, encoding, memory, cpu_s, wanted=bitmap)
        reader, writer = _pipe()
        feeder = threading.Thread(target=_feed, args=(writer, chosen, feed), name="bases", daemon=True)
        feeder.start()
        try:
            with self._doing(job, packed, reader, stop) as unpacked:
                yield unpacked
        finally:
            os.close(reader)  # who still feeds ends now
            feeder.join()

    def close(self) -> None:
        """End the child with whatever it does."""
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()
        child.line.close()

    @contextmanager
    def _doing(self, job: Job, packed: int, bases: int | None, stop: Stop) -> Iterator[Unpacked]:
        child = self._started()
        packed = os.open(f"/proc/self/fd/{packed}", os.O_RDONLY | os.O_CLOEXEC)  # the agent's own may be written to
        reader, writer = _pipe()
        unpacked = Unpacked(reader, child.line, job.cpu_s, stop)
        try:
            try:
                given = [writer, packed] + ([] if bases is None else [bases])
                socket.send_fds(child.line, [wire.encode(job)], given)
            except OSError as error:
                self.close()
                raise spoilt("the child that unpacks is gone") from error
            finally:
                os.close(writer)
                os.close(packed)
            yield unpacked
        finally:
            os.close(reader)  # who still writes ends now
            if self._child is child and unpacked.settle() is None:
                self.close()
            self.peak_bytes = max(self.peak_bytes, unpacked.peak_bytes)

    def _cpu(self, size_bytes: int) -> int:
        return self._cpu_s + size_bytes // SLOWEST_BYTES_PER_S

    def _started(self) -> _Child:
        if self._child is not None and self._child.process.poll() is None:
            return self._child
        self.close()
        self._child = _start()
        return self._child


class Unpacked:
    """What comes out of one job."""

    def __init__(self, reader: int, line: socket.socket, cpu_s: int, stop: Stop) -> None:
        self._reader, self._line, self._silence_s, self._stop = reader, line, cpu_s + SETTLE_S, stop
        self._code: int | None = None
        self.peak_bytes = 0

    def part(self, size_bytes: int) -> Iterator[bytes]:
        """Yield exactly the next bytes; raises InstallFailed(artifact_corrupt) where they do not come."""
        left = size_bytes
        while left:
            chunk = self._next(min(left, READ_BYTES))
            if not chunk:
                raise spoilt(self._why())
            left -= len(chunk)
            yield chunk

    def rest(self, limit_bytes: int) -> Iterator[bytes]:
        """Yield all that comes, which must not be nothing, nor more than the limit."""
        have = 0
        while chunk := self._next(READ_BYTES):
            have += len(chunk)
            if have > limit_bytes:
                raise spoilt("it is too long")
            yield chunk
        if not have or self.settle() != 0:
            raise spoilt(self._why())

    def settle(self) -> int | None:
        """Wait briefly for the word that the job has ended; None where it did not come."""
        if self._code is None:
            self._line.settimeout(SETTLE_S)
            try:
                finished = wire.decode(Finished, self._line.recv(MESSAGE_BYTES), MESSAGE_BYTES)
                self._code, self.peak_bytes = finished.code, finished.peak_bytes
            except (OSError, Invalid):
                return None
        return self._code

    def _next(self, size: int) -> bytes:
        until = time.monotonic() + self._silence_s
        while not select.select([self._reader], [], [], LOOK_S)[0]:
            if self._stop():
                raise InstallFailed("cancelled_by_order", "The download was stopped.")
            if time.monotonic() > until:
                raise spoilt("it takes too long")
        return os.read(self._reader, size)

    def _why(self) -> str:
        code = self.settle()
        log.info("unpack_failed code=%s", code)
        if code == -signal.SIGXCPU:
            return "it takes too long"
        return "it takes too much memory" if code == OUT_OF_MEMORY else "it is spoilt"


def _pipe() -> tuple[int, int]:
    """A wide pipe, where the user may have one: with the usual 64 kB both sides wait for each other all the time."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    with contextlib.suppress(OSError):
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return reader, writer


def _memory(member: Member) -> int:
    """A plain member is passed on as it comes."""
    return member.memory_bytes if member.bases or member.kind is pack.MemberKind.HDIFFPATCH else 0


def _feed(writer: int, members: Sequence[Member], feed: Feed) -> None:
    """Put the bases into the pipe as fast as the child takes them; one that cannot be read is a short one."""
    with contextlib.suppress(OSError, InstallFailed), os.fdopen(writer, "wb", buffering=0) as pipe:
        for member in members:
            for chunk in feed(member):
                view = memoryview(chunk)
                while view:
                    view = view[pipe.write(view) :]


def _start() -> _Child:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        argv = [sys.executable, "-I", "-B", "-m", "surefoot_agent.download.unpack_child", str(theirs.fileno())]
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"GLIBC_TUNABLES": GIVES_BACK},
            cwd="/",
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    ours.settimeout(START_S)
    try:
        ready = wire.decode(Ready, ours.recv(MESSAGE_BYTES), MESSAGE_BYTES)
    except (OSError, Invalid) as error:
        log.warning("unpack_child_not_started error=%s", error)
        ready = Ready((), why="the child that unpacks did not start")
    return _Child(process, ours, ready)


class Spoilt(InstallFailed):
    """Nothing more comes out of this job."""


def spoilt(why: str) -> Spoilt:
    return Spoilt("artifact_corrupt", f"What was fetched cannot be unpacked: {why}.")
