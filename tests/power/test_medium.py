"""The disk that forgets keeps what was flushed, whole, and of the rest what the seed says, and nothing else."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.power.medium import SECTOR, VolatileDisk

SECTORS = 64


class Client:
    """As much of an NBD client as QEMU is."""

    def __init__(self, address: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(address))
        self._take(18)
        self._socket.sendall(struct.pack(">IQII", 3, 0x49484156454F5054, 7, 6) + struct.pack(">IH", 0, 0))
        (self.size,) = struct.unpack(">20x2xQ2x20x", self._take(52))

    def write(self, sector: int, content: bytes, flags: int = 0) -> None:
        self._ask(1, sector * SECTOR, len(content), content, flags)

    def read(self, sector: int) -> bytes:
        self._ask(0, sector * SECTOR, SECTOR)
        return self._take(SECTOR)

    def flush(self) -> None:
        self._ask(3, 0, 0)

    def close(self) -> None:
        self._socket.close()

    def _ask(self, kind: int, offset: int, length: int, content: bytes = b"", flags: int = 0) -> None:
        self._socket.sendall(struct.pack(">IHHQQI", 0x25609513, flags, kind, 7, offset, length) + content)
        assert struct.unpack(">IIQ", self._take(16)) == (0x67446698, 0, 7)

    def _take(self, length: int) -> bytes:
        got = b""
        while len(got) < length:
            more = self._socket.recv(length - len(got))
            assert more, "the disk hung up"
            got += more
        return got


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(SECTORS * SECTOR))
    return path


@pytest.fixture
def disk(image: Path) -> Iterator[VolatileDisk]:
    disk = VolatileDisk(image, image.with_suffix(".socket"), seed=1)
    yield disk
    disk.close()


@pytest.fixture
def client(disk: VolatileDisk, image: Path) -> Iterator[Client]:
    client = Client(image.with_suffix(".socket"))
    yield client
    client.close()


def full(value: int) -> bytes:
    return bytes([value]) * SECTOR


def test_the_guest_reads_what_it_wrote_before_it_is_on_the_medium(client: Client, image: Path) -> None:
    client.write(3, full(7))

    assert client.size == SECTORS * SECTOR
    assert client.read(3) == full(7)
    assert image.read_bytes() == bytes(SECTORS * SECTOR)


def test_a_flush_keeps_everything_before_it(client: Client, disk: VolatileDisk, image: Path) -> None:
    client.write(3, full(7) + full(8))
    client.flush()

    cut = disk.power_cut()

    assert (cut.unflushed, cut.kept) == (0, 0)
    assert image.read_bytes()[3 * SECTOR : 5 * SECTOR] == full(7) + full(8)


def test_a_write_with_forced_access_is_kept(client: Client, disk: VolatileDisk, image: Path) -> None:
    client.write(3, full(7), flags=1)

    disk.power_cut()

    assert image.read_bytes()[3 * SECTOR : 4 * SECTOR] == full(7)


def test_the_end_of_a_transaction_is_kept_as_linux_asked_and_nothing_before_it(
    client: Client, disk: VolatileDisk, image: Path
) -> None:
    commit = bytes.fromhex("c03b399800000002").ljust(SECTOR, b"\0")
    client.write(3, full(7))
    client.write(4, commit)

    assert disk.power_cut().unflushed == 1
    assert image.read_bytes()[4 * SECTOR : 5 * SECTOR] == commit


def test_of_unflushed_writes_the_same_seed_keeps_the_same_sectors(tmp_path: Path) -> None:
    kept = []
    for name in ("one", "two"):
        path = tmp_path / name
        path.write_bytes(bytes(SECTORS * SECTOR))
        disk = VolatileDisk(path, tmp_path / f"{name}.socket", seed=6)
        client = Client(tmp_path / f"{name}.socket")
        client.write(0, b"".join(full(9) for _ in range(SECTORS)))
        kept.append((disk.power_cut(), path.read_bytes()))
        client.close()
        disk.close()

    assert kept[0] == kept[1]
    assert kept[0][0].unflushed == SECTORS


def test_some_worlds_lose_everything_some_nothing_and_some_tear(tmp_path: Path) -> None:
    ratios = set()
    for seed in range(12):
        path = tmp_path / str(seed)
        path.write_bytes(bytes(SECTORS * SECTOR))
        disk = VolatileDisk(path, tmp_path / f"{seed}.socket", seed)
        client = Client(tmp_path / f"{seed}.socket")
        client.write(0, b"".join(full(9) for _ in range(SECTORS)))
        cut = disk.power_cut()
        ratios.add(0 if cut.kept == 0 else 2 if cut.kept == SECTORS else 1)
        client.close()
        disk.close()

    assert ratios == {0, 1, 2}


def test_nothing_is_written_after_the_power_was_cut(client: Client, disk: VolatileDisk, image: Path) -> None:
    disk.power_cut()

    with pytest.raises((AssertionError, OSError)):
        client.write(3, full(7))

    assert image.read_bytes() == bytes(SECTORS * SECTOR)
