"""The program that unpacks a stranger's bytes: it waits for jobs and does each in a process that may do nothing else.

Promises: it reads from the descriptors that it is given and writes to the pipe that it is given; each job runs in a
fork that is sealed (see `jail`) before it reads the first byte, so a bomb, a loop or a fault ends that fork and nothing
else. Nothing here is believed: whoever asked checks the signed hash of what comes out. Where the agent is root this
program becomes nobody first. Run as `python -I -m surefoot_agent.download.unpack_child SOCKET`.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import BinaryIO

from surefoot_agent.download import decoders, jail
from surefoot_agent.download.decoders import READ_BYTES, Decode, Stream, load
from surefoot_agent.download.unpack_talk import (
    GONE,
    MESSAGE_BYTES,
    NOT_SEALED,
    OUT_OF_MEMORY,
    SPOILT,
    Finished,
    Job,
    Ready,
    What,
)
from surefoot_shared import pack, wire
from surefoot_shared.pack import Encoding, Member, MemberKind

NOBODY = 65534
Patch = Callable[[bytes, bytes], bytes]
"""(what is patched, the patch) → the new bytes."""


@dataclass(frozen=True)
class Known:
    """What this device can unpack, and why nothing."""

    decoders: dict[Encoding, Decode]
    patch: Patch | None = None
    why: str = ""


def main(argv: Sequence[str]) -> int:
    """Answer jobs until the other end is gone."""
    with socket.socket(fileno=int(argv[0])) as line:
        known = what_is_known()
        if os.geteuid() == 0:
            _become_nobody()  # only now: a Python in root's own folder is loaded by root alone
        line.send(wire.encode(Ready(tuple(known.decoders), known.patch is not None, known.why)))
        while True:
            message, descriptors, _, _ = socket.recv_fds(line, MESSAGE_BYTES, 3)
            if not message:
                return 0
            finished = _in_a_fork(line, wire.decode(Job, message, MESSAGE_BYTES), known, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            line.send(wire.encode(finished))


def what_is_known() -> Known:
    """Load what is installed; each way is tried once, so that nothing is left to be loaded inside the jail."""
    try:
        jail.program_for(jail.name())
    except OSError as error:
        return Known({}, why=str(error))
    hdiffpatch = load("hdiffpatch")
    return Known(decoders.known(load), _tried(hdiffpatch) if hdiffpatch is not None else None)


def _tried(hdiffpatch: ModuleType) -> Patch:
    apply: Patch = hdiffpatch.apply
    apply(b"tried", hdiffpatch.diff(b"tried", b"trial", compression="zstd"))
    return apply


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _in_a_fork(line: socket.socket, job: Job, known: Known, descriptors: Sequence[int]) -> Finished:
    child = os.fork()
    if child == 0:
        line.close()
        os._exit(_do(job, known, *descriptors))
    _, status, used = os.wait4(child, 0)
    return Finished(os.waitstatus_to_exitcode(status), used.ru_maxrss * 1024)


def _do(job: Job, known: Known, out: int, packed: int, bases: int = -1) -> int:
    try:
        jail.seal(job.memory_bytes, job.cpu_s)
    except OSError:
        return NOT_SEALED
    try:
        stream = Stream(known.decoders[job.encoding](packed))
        for chunk in _made(job, stream, known.patch, _bases(bases)):
            write_all(out, chunk)
            del chunk  # while the next one is made, this one is not needed
    except BrokenPipeError:
        return GONE
    except MemoryError:
        return OUT_OF_MEMORY
    except Exception:  # whatever a codec raises on bytes of a stranger: it is the source that failed
        return SPOILT
    return 0


def _bases(descriptor: int) -> BinaryIO | None:
    """A reader that puts as many bytes as are asked for where they stay: they are in memory once."""
    return None if descriptor < 0 else open(descriptor, "rb", buffering=READ_BYTES, closefd=False)


def _made(job: Job, stream: Stream, patch: Patch | None, bases: BinaryIO | None) -> Iterator[bytes]:
    if job.what is What.STREAM:
        yield from stream.chunks(job.size_bytes)
        stream.end()
        return
    raw = stream.exactly(pack.index_length(stream.exactly(pack.HEAD_BYTES)))
    if job.what is What.INDEX:
        yield raw
        return
    members = pack.parse_index(raw).members
    del raw
    wanted = set(pack.parse_bitmap(job.wanted, len(members)))
    for number, member in enumerate(members):
        if number not in wanted:
            stream.skip(member.payload_bytes)
        elif member.kind is MemberKind.PLAIN:
            yield from stream.chunks(member.size_bytes)
        else:
            yield _patched(member, stream, patch, bases)


def _patched(member: Member, stream: Stream, patch: Patch | None, bases: BinaryIO | None) -> bytes:
    if patch is None or bases is None:
        raise ValueError("no library that patches is installed, or there is nothing to patch")
    size = sum(base.size_bytes for base in member.bases)
    base = bases.read(size)
    if len(base) != size:
        raise ValueError("the bases end too early")
    made = patch(base, stream.exactly(member.payload_bytes))
    if len(made) != member.size_bytes:
        raise ValueError("a patch makes another size than it says")
    return made


def write_all(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
