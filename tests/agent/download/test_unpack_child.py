from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from backports import zstd

from surefoot_agent.download import unpack_child
from surefoot_agent.download.unpack_talk import MESSAGE_BYTES, SPOILT, Finished, Job, Ready, What
from surefoot_shared import pack, wire
from surefoot_shared.pack import Encoding
from tests.agent.download.unpacking import nameless, packed, patched

PROGRAM = [sys.executable, "-I", "-m", "surefoot_agent.download.unpack_child"]
MEMORY = 64 << 20


@pytest.fixture(scope="module")
def line() -> Iterator[socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, ours:
        process = subprocess.Popen([*PROGRAM, str(theirs.fileno())], pass_fds=(theirs.fileno(),))
        theirs.close()
        ours.settimeout(30)
        assert set(wire.decode(Ready, ours.recv(MESSAGE_BYTES)).encodings) == set(Encoding)
        yield ours
        ours.close()
        assert process.wait(30) == 0  # it ends with whoever asks it


def done(line: socket.socket, raw: bytes, job: Job) -> tuple[int, bytes]:
    reader, writer = os.pipe()
    with nameless(raw) as data:
        socket.send_fds(line, [wire.encode(job)], [writer, data])
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            made = pipe.read()
    finished = wire.decode(Finished, line.recv(MESSAGE_BYTES))
    assert 4 << 20 < finished.peak_bytes < 1 << 30  # a Python with libraries, and no more than the job may have
    return finished.code, made


def test_each_job_ends_with_its_code_and_the_next_is_done(line: socket.socket) -> None:
    job = Job(What.STREAM, Encoding.ZSTD, MEMORY, 5, size_bytes=4)

    assert done(line, b"no frame", job) == (SPOILT, b"")
    assert done(line, zstd.compress(b"good"), job) == (0, b"good")


def test_a_stream_that_is_longer_than_was_asked_for_is_spoilt(line: socket.socket) -> None:
    job = Job(What.STREAM, Encoding.ZSTD, MEMORY, 5, size_bytes=4)

    assert done(line, zstd.compress(b"good and more"), job)[0] == SPOILT


def test_the_index_of_a_pack_comes_without_its_head(line: socket.socket) -> None:
    made = packed([patched(0, b"old", b"new")])

    code, raw = done(line, made.raw, Job(What.INDEX, Encoding.XZ, MEMORY, 5))

    assert code == 0
    assert pack.parse_index(raw).members[0].size_bytes == 3


def test_a_patch_without_its_bases_is_spoilt_and_nothing_worse(line: socket.socket) -> None:
    made = packed([patched(0, b"old", b"new")])
    job = Job(What.MEMBERS, Encoding.XZ, MEMORY, 5, wanted=pack.bitmap([0], 1))

    assert done(line, made.raw, job) == (SPOILT, b"")


def test_without_a_library_a_device_reads_what_its_python_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack_child, "load", lambda _name: None)

    known = unpack_child.what_is_known()

    assert (set(known.decoders), known.patch) == ({Encoding.IDENTITY, Encoding.XZ}, None)


def test_without_a_jail_a_device_unpacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise OSError("no filter is known")

    monkeypatch.setattr(unpack_child.jail, "name", unknown)
    known = unpack_child.what_is_known()

    assert (known.decoders, known.patch, known.why) == ({}, None, "no filter is known")
