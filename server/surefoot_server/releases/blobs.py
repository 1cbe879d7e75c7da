"""Artifacts on disk, each under its own sha256: written whole or not at all, never changed, read by many.

Promises: a blob appears under its name only after its hash was checked and its bytes were synced, so a killed upload
leaves nothing but a file in `partial/` that the next start removes. Memory stays at one chunk. One that the disk
damaged counts as missing, so that publishing again puts a whole one in its place.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from surefoot_server.space import HINT
from surefoot_shared.errors import Conflict, Invalid, NotFound
from surefoot_shared.release import SHA256
from surefoot_shared.trust.durable import sync_folder

log = logging.getLogger(__name__)
CHUNK_BYTES = 1024 * 1024
RESERVE_BYTES = 256 * 1024 * 1024
"""Left free for the database: a server that cannot commit is worse than an upload that is refused."""


class BlobStore:
    """Content-addressed files below `root`."""

    def __init__(self, root: Path, limit_bytes: int) -> None:
        self._root, self._partial, self._limit_bytes = root, root / "partial", limit_bytes
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)

    def path(self, sha256: str) -> Path:
        """Where the blob is, or would be; raises Invalid for anything that is not a sha256."""
        if not SHA256.fullmatch(sha256):
            raise Invalid("malformed", "A blob is named by 64 lower-case hexadecimal digits.")
        return self._root / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def size(self, sha256: str) -> int:
        return self.existing(sha256).stat().st_size

    def existing(self, sha256: str) -> Path:
        path = self.path(sha256)
        if not path.is_file():
            raise NotFound("not_found", f"There is no blob {sha256}.")
        return path

    def missing(self, names: Iterable[str]) -> list[str]:
        """Which of these are not there whole. Each is read and hashed: a size alone would miss a flipped bit."""
        return sorted({name for name in names if not self.is_whole(name)})

    def is_whole(self, sha256: str) -> bool:
        """Whether the blob is there and still matches its name; a damaged one stays until an upload replaces it."""
        path, found = self.path(sha256), hashlib.sha256()
        try:
            with path.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    found.update(chunk)
        except FileNotFoundError:
            return False
        except OSError as error:  # a sector that cannot be read is damage as well
            log.error("blob_unreadable sha256=%s error=%s", sha256, error.strerror)
            return False
        if found.hexdigest() != sha256:
            log.error("blob_damaged sha256=%s size_bytes=%d", sha256, path.stat().st_size)
            return False
        return True

    def put(self, sha256: str, raw: bytes) -> None:
        writer = self.write(sha256, len(raw))
        writer.feed(raw)
        writer.finish()

    def write(self, sha256: str, size_bytes: int | None) -> BlobWriter:
        """Begin an upload. `size_bytes` is what the sender announced, for refusing early."""
        target = self.path(sha256)
        if size_bytes is not None and size_bytes > self._limit_bytes:
            raise Invalid("too_large", f"The blob has {size_bytes} bytes; {self._limit_bytes} are allowed.")
        free_bytes, needed_bytes = shutil.disk_usage(self._partial).free, size_bytes or 0
        if free_bytes < needed_bytes + RESERVE_BYTES:
            raise Conflict(
                "no_space",
                f"The server's disk has no room for this blob: it needs {_mib(needed_bytes)}, {_mib(free_bytes)} are "
                f"free and {_mib(RESERVE_BYTES)} of them are reserved for the database.",
                HINT,
            )
        return BlobWriter(target, self._partial, sha256, self._limit_bytes)


class BlobWriter:
    """One upload: feed chunks, then `finish`, or `abort`."""

    def __init__(self, target: Path, partial: Path, sha256: str, limit_bytes: int) -> None:
        self._target, self._sha256, self._limit_bytes = target, sha256, limit_bytes
        handle, name = tempfile.mkstemp(dir=partial)
        self._file, self._temporary = os.fdopen(handle, "wb"), Path(name)
        self._hash = hashlib.sha256()
        self._size_bytes = 0

    def feed(self, chunk: bytes) -> None:
        self._size_bytes += len(chunk)
        if self._size_bytes > self._limit_bytes:
            raise Invalid("too_large", f"The blob has more than the {self._limit_bytes} bytes that are allowed.")
        self._hash.update(chunk)
        self._file.write(chunk)

    def finish(self) -> int:
        """Check the hash, sync, and give the file its name; return its size. Raises Invalid(artifact_corrupt)."""
        if self._hash.hexdigest() != self._sha256:
            self.abort()
            raise Invalid("artifact_corrupt", "What was uploaded does not match its sha256.", "Upload it again.")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.chmod(0o644)
        self._target.parent.mkdir(exist_ok=True)
        os.replace(self._temporary, self._target)
        sync_folder(self._target.parent)
        sync_folder(self._target.parent.parent)
        return self._size_bytes

    def abort(self) -> None:
        with contextlib.suppress(OSError):  # on a full disk closing flushes, and fails, once more
            self._file.close()
        self._temporary.unlink(missing_ok=True)


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):.1f} MiB"
