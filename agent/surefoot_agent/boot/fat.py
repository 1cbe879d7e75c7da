"""Read one small file from the top folder of a FAT file system that need not be mounted.

Promises: reads only, never more than a folder may hold and what `limit` allows; what is no FAT, or damaged, is a file
that is not there. Refuses long names: a file that firmware reads has a short one. Source: Microsoft's FAT
specification, 1.03.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

LIMIT_BYTES = 64 * 1024
PER_CLUSTER = (1, 2, 4, 8, 16, 32, 64, 128)
"""Sectors of a cluster."""
ENTRY = 32
FOLDER, LABEL = 0x10, 0x08
BITS_12, BITS_16 = 4085, 65525
WIDEST = 32
"""Below so many clusters an entry of the table has 12 bits, or 16; else 32, and a number of a cluster more than 16."""
FOLDER_BYTES = 65536 * ENTRY
"""More no folder has, whatever its chain says."""


@dataclass(frozen=True)
class _Shape:
    sector: int
    cluster: int
    table_at: int
    root_at: int
    root_bytes: int
    """Of the fixed top folder of 12 and 16 bits; 0 where it is a chain from `root_cluster`."""
    data_at: int
    root_cluster: int
    clusters: int

    @property
    def bits(self) -> int:
        return 12 if self.clusters < BITS_12 else 16 if self.clusters < BITS_16 else WIDEST


def read(device: Path, name: str, limit: int = LIMIT_BYTES) -> bytes | None:
    """Return the file's content; None where there is none. Raises OSError where the device cannot be read."""
    with device.open("rb", buffering=0) as file:
        shape = _shape(_at(file, 0, 512))
        if shape is None:
            return None
        found = _entry(_root(file, shape), name)
        if found is None:
            return None
        first, size = found[0] if shape.bits == WIDEST else found[0] & 0xFFFF, found[1]
        wanted = min(size, limit)
        content = b"".join(_clusters(file, shape, first, -(-wanted // shape.cluster)))
        return content[:wanted] if len(content) >= wanted else None


def _shape(head: bytes) -> _Shape | None:
    if len(head) < 512 or head[510:512] != b"\x55\xaa":
        return None
    sector, per_cluster, reserved, tables, entries, few = struct.unpack_from("<HBHBHH", head, 11)
    short, many = struct.unpack_from("<H", head, 22)[0], struct.unpack_from("<I", head, 32)[0]
    length, root_cluster = struct.unpack_from("<I", head, 36)[0], struct.unpack_from("<I", head, 44)[0]
    if sector not in (512, 1024, 2048, 4096) or per_cluster not in PER_CLUSTER or not tables or not (short or length):
        return None
    root_at = (reserved + tables * (short or length)) * sector
    data_at = root_at + -(-entries * ENTRY // sector) * sector
    clusters = ((few or many) - data_at // sector) // per_cluster
    return _Shape(
        sector, per_cluster * sector, reserved * sector, root_at, entries * ENTRY, data_at, root_cluster, clusters
    )


def _root(file: BinaryIO, shape: _Shape) -> bytes:
    if shape.root_bytes:
        return _at(file, shape.root_at, shape.root_bytes)
    return b"".join(_clusters(file, shape, shape.root_cluster, -(-FOLDER_BYTES // shape.cluster)))


def _entry(folder: bytes, name: str) -> tuple[int, int] | None:
    """First cluster and size of the file with this short name."""
    stem, _, end = name.upper().partition(".")
    wanted = f"{stem:<8}{end:<3}".encode("ascii")
    for at in range(0, len(folder) - ENTRY + 1, ENTRY):
        entry = folder[at : at + ENTRY]
        if entry[0] == 0:
            return None
        if entry[:11] == wanted and not entry[11] & (FOLDER | LABEL):
            high, low = struct.unpack_from("<H", entry, 20)[0], struct.unpack_from("<H", entry, 26)[0]
            return high << 16 | low, struct.unpack_from("<I", entry, 28)[0]
    return None


def _clusters(file: BinaryIO, shape: _Shape, cluster: int, most: int) -> Iterator[bytes]:
    """The clusters of a chain, at most so many: one that bites its tail ends too."""
    for _ in range(most):
        if not 2 <= cluster < shape.clusters + 2:
            return
        yield _at(file, shape.data_at + (cluster - 2) * shape.cluster, shape.cluster)
        cluster = _next(file, shape, cluster)


def _next(file: BinaryIO, shape: _Shape, cluster: int) -> int:
    if shape.bits == 12:
        (pair,) = struct.unpack("<H", _at(file, shape.table_at + cluster * 3 // 2, 2).ljust(2, b"\0"))
        return int(pair >> 4 if cluster % 2 else pair & 0xFFF)
    size, form = (2, "<H") if shape.bits == 16 else (4, "<I")
    (number,) = struct.unpack(form, _at(file, shape.table_at + cluster * size, size).ljust(size, b"\0"))
    return int(number & 0x0FFFFFFF)


def _at(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)
