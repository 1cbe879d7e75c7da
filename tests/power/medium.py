"""A disk that forgets: an NBD server whose write cache is lost, kept or torn, sector by sector, when the power is cut.

Promises: what the guest flushed is on the file; of what it wrote since, `power_cut` keeps a random subset of sectors,
chosen by the seed alone. This is what ending the emulator cannot show: then the host's page cache keeps every write,
flushed or not, and a missing fsync is never found.
"""

from __future__ import annotations

import os
import random
import socket
import struct
import threading
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512
KEPT_RATIOS = (0.0, 0.3, 0.7, 1.0)
"""Controllers differ in how much of their cache they still write; each of these is a world of its own."""
OPTION_MAGIC, REPLY_MAGIC = 0x49484156454F5054, 0x3E889045565A9
REQUEST_MAGIC, ANSWER_MAGIC = 0x25609513, 0x67446698
EXPORT_NAME, ABORT, INFO, GO = 1, 2, 6, 7
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
FEATURES = 0b1101
"""Flags, flush and forced unit access: without the latter two the guest believes that the disk has no cache."""
NO_FLAGS_FIXED = 3
JOURNAL_MAGIC, FORCED_RECORDS = bytes.fromhex("c03b3998"), (2, 3, 4)
"""Of ext4's journal: commit record, and superblock of both versions. Source: kernel, include/linux/jbd2.h."""
EINVAL = 22


@dataclass(frozen=True)
class Cut:
    """What a power cut found in the cache and what of it reached the medium."""

    unflushed: int
    kept: int


class VolatileDisk:
    """One disk image served on a unix socket; `drive` is what QEMU is told."""

    def __init__(self, image: Path, address: Path, seed: int) -> None:
        self._fd, self._address = os.open(image, os.O_RDWR), address
        self._size = os.fstat(self._fd).st_size
        self._cache: dict[int, bytes] = {}
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self._off = False
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(address))
        self._socket.listen(1)
        threading.Thread(target=self._accept, name="disk", daemon=True).start()

    @property
    def drive(self) -> str:
        return f"nbd+unix:///?socket={self._address}"

    def power_cut(self) -> Cut:
        """Take the power: nothing that comes later is written. The emulator is to be ended next."""
        with self._lock:
            self._off = True
            ratio = self._random.choice(KEPT_RATIOS)
            kept = [sector for sector in sorted(self._cache) if self._random.random() < ratio]
            for sector in kept:
                os.pwrite(self._fd, self._cache[sector], sector * SECTOR)
            cut = Cut(len(self._cache), len(kept))
            self._cache.clear()
        return cut

    def close(self) -> None:
        with self._lock:
            self._off = True
        self._socket.close()
        self._address.unlink(missing_ok=True)
        os.close(self._fd)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(connection,), name="disk-client", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                if self._greet(connection):
                    while self._answer(connection):
                        pass
            except (OSError, EOFError):
                return  # the emulator is gone

    def _greet(self, connection: socket.socket) -> bool:
        """Speak the fixed newstyle handshake; True once a client wants to transmit."""
        connection.sendall(b"NBDMAGIC" + struct.pack(">QH", OPTION_MAGIC, NO_FLAGS_FIXED))
        _receive(connection, 4)
        while True:
            _, option, length = struct.unpack(">QII", _receive(connection, 16))
            _receive(connection, length)
            head = struct.pack(">QI", REPLY_MAGIC, option)
            if option == EXPORT_NAME:
                connection.sendall(struct.pack(">QH", self._size, FEATURES))
                return True
            if option in (INFO, GO):
                connection.sendall(head + struct.pack(">IIHQH", 3, 12, 0, self._size, FEATURES))
                connection.sendall(head + struct.pack(">II", 1, 0))
                if option == GO:
                    return True
            elif option == ABORT:
                connection.sendall(head + struct.pack(">II", 1, 0))
                return False
            else:
                connection.sendall(head + struct.pack(">II", 0x80000001, 0))

    def _answer(self, connection: socket.socket) -> bool:
        _, flags, kind, handle, offset, length = struct.unpack(">IHHQQI", _receive(connection, 28))
        good = struct.pack(">IIQ", ANSWER_MAGIC, 0, handle)
        data = _receive(connection, length) if kind == WRITE else b""
        with self._lock:
            if kind == DISCONNECT or self._off:
                return False
            match kind:
                case 0:
                    good += self._read(offset, length)
                case 1 if flags & 1 or _is_forced(data):
                    self._force(offset, data)
                case 1:
                    self._write(offset, data)
                case 3:
                    self._flush()
                case _:
                    good = struct.pack(">IIQ", ANSWER_MAGIC, EINVAL, handle)
        connection.sendall(good)
        return True

    def _read(self, offset: int, length: int) -> bytes:
        found = bytearray(os.pread(self._fd, length, offset))
        if self._cache:
            for sector in range(offset // SECTOR, (offset + length) // SECTOR):
                newer = self._cache.get(sector)
                if newer is not None:
                    at = sector * SECTOR - offset
                    found[at : at + SECTOR] = newer
        return bytes(found)

    def _write(self, offset: int, data: bytes) -> None:
        for at in range(0, len(data), SECTOR):
            self._cache[(offset + at) // SECTOR] = data[at : at + SECTOR]

    def _force(self, offset: int, data: bytes) -> None:
        """This write is on the medium before it is answered; those before it may still be in the cache."""
        os.pwrite(self._fd, data, offset)
        for sector in range(offset // SECTOR, (offset + len(data)) // SECTOR):
            self._cache.pop(sector, None)

    def _flush(self) -> None:
        for sector, data in sorted(self._cache.items()):
            os.pwrite(self._fd, data, sector * SECTOR)
        self._cache.clear()


def _is_forced(data: bytes) -> bool:
    """Whether Linux asked for forced access here, which QEMU's NVMe controller does not pass on.

    It does so for the records that end a transaction of a file system's journal, and for the journal's superblock.
    """
    return data[:4] == JOURNAL_MAGIC and int.from_bytes(data[4:8], "big") in FORCED_RECORDS


def _receive(connection: socket.socket, length: int) -> bytes:
    got = bytearray()
    while len(got) < length:
        more = connection.recv(length - len(got))
        if not more:
            raise EOFError
        got += more
    return bytes(got)
