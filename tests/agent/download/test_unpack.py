"""Packs and frames of a stranger, hostile ones too, unpacked by the real child on this machine's kernel."""

from __future__ import annotations

import contextlib
import lzma
import os
import random
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import hdiffpatch
import pytest
from backports import zstd

from surefoot_agent.download.unpack import Unpacker
from surefoot_shared.errors import InstallFailed
from surefoot_shared.pack import DICTIONARY_BYTES, INDEX_LIMIT_BYTES, MAGIC, Encoding
from tests.agent.download.unpacking import MadePack, nameless, packed, patched, plain, unpacked

NOISE = random.Random(1).randbytes(300_000)
OLD = NOISE + b"the old end"
NEW = NOISE[:100_000] + b"in between" + NOISE[100_000:] + b"the new end"
PATCH = hdiffpatch.diff(OLD, NEW, compression="zstd")
MIB = 1024 * 1024
GOOD = packed([patched(0, OLD, NEW), plain(1, b"plain")])


@pytest.fixture(scope="module")
def unpacker() -> Iterator[Unpacker]:
    made = Unpacker(cpu_s=1)
    yield made
    made.close()


def fails(unpacker: Unpacker, made: MadePack) -> str:
    with pytest.raises(InstallFailed) as caught:
        unpacked(unpacker, made, [OLD])
    return caught.value.kind


def test_this_machine_reads_every_encoding_and_patches(unpacker: Unpacker) -> None:
    assert set(unpacker.ready().encodings) == set(Encoding)
    assert unpacker.ready().patches


@pytest.mark.parametrize("encoding", Encoding)
def test_a_pack_becomes_what_its_members_say(unpacker: Unpacker, encoding: Encoding) -> None:
    made = packed([plain(0, b"first" * 1000), patched(1, OLD, NEW), plain(2, NOISE)], encoding=encoding)

    assert unpacked(unpacker, made, [OLD]) == [b"first" * 1000, NEW, NOISE]


@pytest.mark.parametrize("compression", ["zstd", "lzma2", "zlib", "none"])
def test_a_patch_of_any_compression_is_applied(unpacker: Unpacker, compression: str) -> None:
    patch = hdiffpatch.diff(OLD, NEW, compression=compression)

    assert unpacked(unpacker, packed([patched(0, OLD, NEW, patch=patch)]), [OLD]) == [NEW]


def test_only_the_wanted_members_are_made(unpacker: Unpacker) -> None:
    made = packed([plain(0, b"first"), plain(1, b"second"), plain(2, b"third")])
    with nameless(made.raw) as data:
        index = unpacker.index(data, Encoding.XZ, lambda: False)
        with unpacker.members(data, Encoding.XZ, index, [0, 2], lambda _: iter(()), lambda: False) as job:
            assert [b"".join(job.part(5)), b"".join(job.part(5))] == [b"first", b"third"]


def test_a_frame_becomes_what_was_packed_and_is_as_long_as_was_asked_for(unpacker: Unpacker) -> None:
    raw = zstd.compress(NOISE * 3)
    with nameless(raw) as data, unpacker.stream(data, Encoding.ZSTD, len(NOISE) * 3, lambda: False) as job:
        assert b"".join(job.part(len(NOISE) * 3)) == NOISE * 3
        assert job.settle() == 0


def test_who_leaves_in_the_middle_leaves_the_child_ready_for_the_next(unpacker: Unpacker) -> None:
    size = len(NOISE) * 50
    with nameless(zstd.compress(NOISE * 50)) as data, unpacker.stream(data, Encoding.ZSTD, size, lambda: False) as job:
        next(job.part(1000))

    assert unpacked(unpacker, GOOD, [OLD]) == [NEW, b"plain"]


def test_a_stop_is_obeyed_while_it_waits_for_bytes(unpacker: Unpacker) -> None:
    stopped = threading.Event()

    def bases(_member: object) -> Iterator[bytes]:
        stopped.set()
        time.sleep(0.3)  # a disk that is slow to answer
        yield b""

    with nameless(GOOD.raw) as data:
        index = unpacker.index(data, Encoding.XZ, lambda: False)
        members = unpacker.members(data, Encoding.XZ, index, [0], bases, stopped.is_set)
        with members as job, pytest.raises(InstallFailed) as caught:
            next(job.part(1))

    assert caught.value.kind == "cancelled_by_order"


def test_the_child_is_given_its_files_for_reading_alone(unpacker: Unpacker) -> None:
    child, modes = unpacker._started().process.pid, list[int]()

    def bases(_member: object) -> Iterator[bytes]:
        until = time.monotonic() + 10
        while not modes and time.monotonic() < until:
            modes.extend(_modes(child))
        yield OLD

    with nameless(GOOD.raw) as data:
        index = unpacker.index(data, Encoding.XZ, lambda: False)
        with unpacker.members(data, Encoding.XZ, index, [0], bases, lambda: False) as job:
            assert b"".join(job.part(len(NEW))) == NEW

    assert set(modes) == {os.O_RDONLY}


def _modes(process: int) -> Iterator[int]:
    """How the files without a name are open in a process."""
    for each in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if "memfd:test" in os.readlink(each):
                said = Path(f"/proc/{process}/fdinfo/{each.name}").read_text().split()
                yield int(said[said.index("flags:") + 1], 8) & os.O_ACCMODE


def _claims(size: int) -> bytes:
    """The good patch, but its head claims to make so many bytes."""
    groups = [(size >> shift) & 127 for shift in range(0, 63, 7)][::-1]
    number = bytes([group | 128 for group in groups[:-1]] + [groups[-1]])
    at = PATCH.index(b"\0") + 1
    return PATCH[:at] + number + PATCH[at:]


def _head(length: int) -> bytes:
    return MAGIC + struct.pack(">I", length)


def _raw(decoded: bytes) -> MadePack:
    raw = lzma.compress(decoded, preset=1)
    return MadePack(raw, GOOD.offer)


def _patch(patch: bytes) -> MadePack:
    return packed([patched(0, OLD, NEW, patch=patch)])


HOSTILE = {
    "patch: nothing": lambda: _patch(b""),
    "patch: garbage": lambda: _patch(random.Random(2).randbytes(5000)),
    "patch: truncated": lambda: _patch(PATCH[: len(PATCH) // 2]),
    "patch: one byte short": lambda: _patch(PATCH[:-1]),
    "patch: claims 2^62 bytes": lambda: _patch(_claims(1 << 62)),
    "patch: claims 3 GiB": lambda: _patch(_claims(3 << 30)),
    "patch: makes more": lambda: _patch(hdiffpatch.diff(OLD, NEW + b"!")),
    "patch: makes less": lambda: _patch(hdiffpatch.diff(OLD, NEW[:-1])),
    "patch: makes 150 MiB": lambda: _patch(hdiffpatch.diff(b"", bytes(150 * MIB), compression="zstd", validate=False)),
    "patch: of another base": lambda: _patch(hdiffpatch.diff(OLD[:-1000], NEW)),
    "pack: no pack": lambda: _raw(b"something else entirely"),
    "pack: nothing": lambda: _raw(b""),
    "pack: index of 4 GiB": lambda: _raw(_head(0xFFFFFFFF)),
    "pack: index is no JSON": lambda: _raw(_head(9) + b"\xff" * 9),
    "pack: index nested without end": lambda: _raw(_head(400_000) + b"[" * 400_000),
    "pack: index of 300,000 lists": lambda: _raw(_head(900_001) + b"[" + b"[]," * 300_000),
    "pack: index longer than it may be": lambda: _raw(_head(INDEX_LIMIT_BYTES + 1) + bytes(INDEX_LIMIT_BYTES + 1)),
    "pack: payload is missing": lambda: _raw(lzma.decompress(GOOD.raw)[:-3]),
    "encoding: garbage": lambda: MadePack(random.Random(3).randbytes(5000), GOOD.offer),
    "encoding: truncated": lambda: MadePack(GOOD.raw[: len(GOOD.raw) // 2], GOOD.offer),
    "encoding: dictionary of twice the size": lambda: MadePack(
        lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 2 * DICTIONARY_BYTES, "preset": 0}]),
        GOOD.offer,
    ),
    "encoding: bomb": lambda: _raw(_head(1000) + bytes(64 * MIB)),
}


LARGE = ("patch: makes 150 MiB", "encoding: bomb", "pack: index nested without end")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in HOSTILE]
)
def test_what_a_stranger_made_fails_as_a_source_and_nothing_else(unpacker: Unpacker, name: str) -> None:
    made = HOSTILE[name]()
    before = unpacker._started().process.pid

    assert fails(unpacker, made) == "artifact_corrupt"
    assert unpacker._started().process.pid == before  # the fork fell, not the child
    assert unpacked(unpacker, GOOD, [OLD]) == [NEW, b"plain"]


HOSTILE_FRAMES = {
    "garbage": random.Random(3).randbytes(5000),
    "truncated": zstd.compress(NEW)[:-10],
    "bomb": zstd.compress(bytes(64 * MIB)),
    "window of 2 GiB": struct.pack("<IBB", 0xFD2FB528, 0, (31 - 10) << 3) + zstd.compress(b"x")[6:],
}


@pytest.mark.parametrize("name", HOSTILE_FRAMES)
def test_a_hostile_frame_brings_no_more_than_was_asked_for(unpacker: Unpacker, name: str) -> None:
    frame, size = HOSTILE_FRAMES[name], len(NEW)
    with nameless(frame) as data, unpacker.stream(data, Encoding.ZSTD, size, lambda: False) as job:
        try:
            made = b"".join(job.part(size))
        except InstallFailed:
            made = b""

    assert len(made) in (0, len(NEW))
    assert made != NEW
    assert unpacked(unpacker, GOOD, [OLD]) == [NEW, b"plain"]


@pytest.mark.slow
def test_patches_of_flipped_bits_never_do_more_than_fail(unpacker: Unpacker) -> None:
    dice, kinds = random.Random(4), set()
    for _ in range(20):
        spoilt = bytearray(PATCH)
        for _ in range(dice.randint(1, 4)):
            spoilt[dice.randrange(len(spoilt))] ^= 1 << dice.randrange(8)
        try:
            kinds.add(str(len(unpacked(unpacker, _patch(bytes(spoilt)), [OLD])[0]) == len(NEW)))
        except InstallFailed as error:
            kinds.add(error.kind)

    assert kinds <= {"artifact_corrupt", "True"}


def test_a_child_that_was_killed_is_started_anew(unpacker: Unpacker) -> None:
    process = unpacker._started().process
    process.kill()
    process.wait()

    assert unpacked(unpacker, GOOD, [OLD]) == [NEW, b"plain"]


def test_where_the_agent_is_root_the_child_is_nobody(unpacker: Unpacker) -> None:
    status = Path(f"/proc/{unpacker._started().process.pid}/status").read_text()
    uids = next(line.split()[1:] for line in status.splitlines() if line.startswith("Uid:"))

    assert set(map(int, uids)) == {65534 if os.geteuid() == 0 else os.geteuid()}
