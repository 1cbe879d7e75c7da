"""Artifacts on disk, each under its own sha256: written whole or not at all, never changed, read by many.

A name with `.zst` behind it is the same artifact as a zstd frame; it is taken in only where it decompresses to that.

Promises: a blob appears under its name only after its hash was checked and its bytes were synced, so a killed upload
leaves nothing but a file in `partial/` that the next start removes. Memory stays at one chunk. One that the disk
damaged counts as missing, so that publishing again puts a whole one in its place.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from backports import zstd

from surefoot_server.space import HINT
from surefoot_shared.errors import Conflict, Invalid, NotFound
from surefoot_shared.pack import ZSTD_SUFFIX
from surefoot_shared.trust.durable import sync_folder

log = logging.getLogger(__name__)
CHUNK_BYTES = 1024 * 1024
NAME = re.compile(r"([0-9a-f]{64})(\.zst)?")
RESERVE_BYTES = 256 * 1024 * 1024
"""Left free for the database: a server that cannot commit is worse than an upload that is refused."""


class BlobStore:
    """Content-addressed files below `root`."""

    def __init__(self, root: Path, limit_bytes: int) -> None:
        self.root, self.partial, self._limit_bytes = root, root / "partial", limit_bytes
        shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir(parents=True)

    def path(self, sha256: str) -> Path:
        """Where the blob is, or would be; raises Invalid for anything that is not a sha256."""
        if not NAME.fullmatch(sha256):
            raise Invalid("malformed", "A blob is named by 64 lower-case hexadecimal digits, and perhaps `.zst`.")
        return self.root / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def size(self, sha256: str) -> int:
        return self.existing(sha256).stat().st_size

    def existing(self, sha256: str) -> Path:
        path = self.path(sha256)
        if not path.is_file():
            raise NotFound("not_found", f"There is no blob {sha256}.")
        return path

    def etag(self, sha256: str) -> str:
        """The digest is the name of the very bytes; one frame of zstd may differ from another of the same artifact."""
        if not sha256.endswith(ZSTD_SUFFIX):
            return f'"{sha256}"'
        status = self.existing(sha256).stat()
        return f'"{sha256}-{status.st_size}-{status.st_mtime_ns:x}"'

    def names(self) -> Iterator[str]:
        """Every blob that is stored, in no order."""
        for folder in self.root.glob("[0-9a-f][0-9a-f]"):
            yield from (path.name for path in folder.iterdir() if NAME.fullmatch(path.name))

    def read(self, sha256: str, at: int, size_bytes: int) -> bytes:
        """Bytes of a blob, fewer at its end."""
        with self.existing(sha256).open("rb") as file:
            file.seek(at)
            return file.read(size_bytes)

    def missing(self, names: Iterable[str]) -> list[str]:
        """Which of these are not there whole. Each is read and hashed: a size alone would miss a flipped bit."""
        return sorted({name for name in names if not self.is_whole(name)})

    def is_whole(self, sha256: str) -> bool:
        """Whether the blob is there and still matches its name; a damaged one stays until an upload replaces it."""
        path = self.path(sha256)
        try:
            found = content_digest(path, sha256, self._limit_bytes)
        except FileNotFoundError:
            return False
        except OSError as error:  # a sector that cannot be read is damage as well
            log.error("blob_unreadable sha256=%s error=%s", sha256, error.strerror)
            return False
        if found != sha256.removesuffix(ZSTD_SUFFIX):
            log.error("blob_damaged sha256=%s size_bytes=%d", sha256, path.stat().st_size)
            return False
        return True

    def put(self, sha256: str, raw: bytes) -> None:
        writer = self.write(sha256, len(raw))
        writer.feed(raw)
        writer.finish()

    def remove(self, sha256: str) -> None:
        """Remove what nobody can use any more. Whoever reads it at the moment reads it to the end."""
        self.path(sha256).unlink(missing_ok=True)

    def write(self, sha256: str, size_bytes: int | None) -> BlobWriter:
        """Begin an upload. `size_bytes` is what the sender announced, for refusing early."""
        target = self.path(sha256)
        if size_bytes is not None and size_bytes > self._limit_bytes:
            raise Invalid("too_large", f"The blob has {size_bytes} bytes; {self._limit_bytes} are allowed.")
        free_bytes, needed_bytes = shutil.disk_usage(self.partial).free, size_bytes or 0
        if free_bytes < needed_bytes + RESERVE_BYTES:
            raise Conflict(
                "no_space",
                f"The server's disk has no room for this blob: it needs {_mib(needed_bytes)}, {_mib(free_bytes)} are "
                f"free and {_mib(RESERVE_BYTES)} of them are reserved for the database.",
                HINT,
            )
        return BlobWriter(target, self.partial, sha256, self._limit_bytes)


class BlobWriter:
    """One upload: feed chunks, then `finish`, or `abort`."""

    def __init__(self, target: Path, partial: Path, sha256: str, limit_bytes: int) -> None:
        self._target, self._sha256, self._limit_bytes = target, sha256, limit_bytes
        handle, name = tempfile.mkstemp(dir=partial)
        self._file, self._temporary = os.fdopen(handle, "wb"), Path(name)
        self._size_bytes, self._hash = 0, hashlib.sha256()

    def feed(self, chunk: bytes) -> None:
        self._size_bytes += len(chunk)
        if self._size_bytes > self._limit_bytes:
            raise Invalid("too_large", f"The blob has more than the {self._limit_bytes} bytes that are allowed.")
        self._file.write(chunk)
        if not self._sha256.endswith(ZSTD_SUFFIX):
            self._hash.update(chunk)

    def finish(self) -> int:
        """Check the hash, sync, and give the file its name; return its size. Raises Invalid(artifact_corrupt)."""
        self._file.flush()
        if self._found() != self._sha256.removesuffix(ZSTD_SUFFIX):
            self.abort()
            raise Invalid("artifact_corrupt", "What was uploaded does not match its sha256.", "Upload it again.")
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.chmod(0o644)
        self._target.parent.mkdir(exist_ok=True)
        os.replace(self._temporary, self._target)
        sync_folder(self._target.parent)
        sync_folder(self._target.parent.parent)
        return self._size_bytes

    def _found(self) -> str:
        if self._sha256.endswith(ZSTD_SUFFIX):
            return content_digest(self._temporary, self._sha256, self._limit_bytes)
        return self._hash.hexdigest()

    def abort(self) -> None:
        with contextlib.suppress(OSError):  # on a full disk closing flushes, and fails, once more
            self._file.close()
        self._temporary.unlink(missing_ok=True)


def content_digest(path: Path, name: str, limit_bytes: int) -> str:
    """sha256 of a stored blob's content; empty where it is no whole zstd frame, or one of more than the limit."""
    found, size_bytes = hashlib.sha256(), 0
    opened = zstd.open(path, "rb") if name.endswith(ZSTD_SUFFIX) else path.open("rb")
    try:
        with opened as file:
            while chunk := file.read(CHUNK_BYTES):
                size_bytes += len(chunk)
                if size_bytes > limit_bytes:
                    return ""
                found.update(chunk)
    except (zstd.ZstdError, EOFError):
        return ""
    return found.hexdigest()


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):.1f} MiB"
