"""A folder as a source: the release folder on a USB stick, in the form that `surefoot release build` makes.

Promises: reads files of the folder by their hash and nothing else. Nothing read here is believed: the slot checks every
file against the signed manifest, as it does with the network. A medium that lacks a file, or was pulled out, is
Unreachable: the attempt waits and is not burnt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from surefoot_agent.ports import Piece
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.messages import Source
from surefoot_shared.release import SHA256

SCHEME = "file://"
CHUNK_BYTES = 256 * 1024


def source_of(folder: Path) -> Source | None:
    """Return the folder as a source, None where it holds no `blobs`."""
    return Source(folder.resolve().as_uri(), "") if (folder / "blobs").is_dir() else None


def is_local(source: Source) -> bool:
    return source.url.startswith(SCHEME)


def chunks(source: Source, piece: Piece, offset: int, stop: Callable[[], bool]) -> Iterator[bytes]:
    """Yield the blob's bytes from `offset` to the piece's end; never more."""
    left = piece.end - offset
    try:
        with _path(Path(unquote(urlsplit(source.url).path)), piece.sha256).open("rb", buffering=0) as file:
            if file.seek(0, 2) != piece.blob_bytes:
                message = f"The medium's file has another size than the signed {piece.blob_bytes}."
                raise InstallFailed("artifact_corrupt", message)
            file.seek(offset)
            while left and (part := file.read(min(CHUNK_BYTES, left))):
                if stop():
                    raise InstallFailed("cancelled_by_order", "The download was stopped.")
                left -= len(part)
                yield part
    except OSError as error:
        raise Unreachable("unreachable", f"The medium does not hold the file: {error.strerror}.") from error
    if left:
        raise Unreachable("unreachable", f"The medium ended {left} bytes too early.")


def _path(folder: Path, sha256: str) -> Path:
    """The blob of this name, or the folder's manifest: whose name says nothing, but whose hash is checked."""
    if not SHA256.fullmatch(sha256):
        raise InstallFailed("artifact_corrupt", "The file's hash is malformed.")
    blob = folder / "blobs" / sha256
    return blob if blob.exists() else folder / "manifest.json"
