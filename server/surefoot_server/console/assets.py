"""The files a page loads: our style and script, and the vendored libraries, each under an address that names its hash.

Promises: a file is read once and kept in memory, plain and compressed; an address with the hash of what it answers may
be kept for a year, since other contents have another address. Refuses every name that is not in the folder.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).parent / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".json": "application/json"}
"""What may be served; licence texts and other files beside them are not."""


@dataclass(frozen=True, slots=True)
class Asset:
    name: str
    media_type: str
    plain: bytes
    packed: bytes
    version: str

    @property
    def address(self) -> str:
        return f"/static/{self.name}?v={self.version}"


@functools.cache
def assets() -> dict[str, Asset]:
    """Every file by its name below the folder; a page asks for some of them by name and fails on a wrong one."""
    found = {}
    for path in sorted(STATIC.rglob("*")):
        if path.suffix in TYPES:
            name = path.relative_to(STATIC).as_posix()
            found[name] = _read(path, name)
    return found


def address(name: str) -> str:
    return assets()[name].address


def _read(path: Path, name: str) -> Asset:
    plain = path.read_bytes()
    version = hashlib.sha256(plain).hexdigest()[:12]
    return Asset(name, TYPES[path.suffix], plain, gzip.compress(plain, 9, mtime=0), version)
