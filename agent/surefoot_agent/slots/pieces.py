"""What of an image is fetched in one go, and how what comes is cut into blocks. Pure.

A piece is a chunk, or a run of a chunk's blocks. Runs that lie close together are one piece: bytes that are there
already come faster than another answer. The first block of the image is always a piece by itself, and the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from surefoot_agent.ports import Piece
from surefoot_agent.slots.progress import Progress
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.image import Index

GAP_BYTES = 256 * 1024
"""A fortieth of a second at 10 MB/s, which is about what asking again costs."""

NO_BLOCK = (-1, 0)
Place = tuple[int, int]
"""(block, where it begins in the blob of its chunk)."""


def pieces_of(index: Index, progress: Progress) -> Iterator[Piece]:
    """What is still to be written, chunk by chunk, then the first block."""
    for chunk in range(index.chunks):
        lacking = [block for block in index.chunk(chunk) if block and not progress.has(block)]
        if lacking:
            blob = index.blob(chunk)
            begin = index.length(0) if chunk == 0 and 0 in blob.blocks else 0
            yield _piece(index, chunk, lacking, begin, blob.size_bytes)
    if not progress.has(0):
        yield _piece(index, 0, [0], 0, 0 if index.is_zero(0) else index.length(0))


def first_left(index: Index, progress: Progress, piece: Piece) -> Sequence[Place]:
    """The carried blocks of the piece from the first on that is not in place, with their places in the blob."""
    inside = [place for place in _places(index, piece.chunk) if piece.begin <= place[1] < piece.end]
    lacking = [number for number, (block, _) in enumerate(inside) if not progress.has(block)]
    return inside[lacking[0] :] if lacking else ()


def runs_left(index: Index, progress: Progress, piece: Piece) -> Iterator[Piece]:
    """The parts of the piece that must be fetched."""
    run: list[Place] = []
    for block, at in first_left(index, progress, piece):
        if progress.has(block):
            continue
        if run and at - (run[-1][1] + index.length(run[-1][0])) > GAP_BYTES:
            yield _run(index, piece.chunk, run)
            run = []
        run.append((block, at))
    if run:
        yield _run(index, piece.chunk, run)


def whole_blocks(
    chunks: Iterable[bytes], lengths: Sequence[tuple[int, int]], name: str
) -> Iterator[tuple[int, memoryview]]:
    """Cut what a source brings into (block, bytes), given (block, length). Refuses more bytes than that, or fewer."""
    wanted = iter(lengths)
    (block, length), held = next(wanted, NO_BLOCK), bytearray()
    for chunk in chunks:
        view = memoryview(chunk)
        while view:
            if not length:
                raise InstallFailed("artifact_corrupt", f"The source of {name} sends more than was signed.")
            if not held and len(view) >= length:
                content, view = view[:length], view[length:]
            else:
                take = length - len(held)
                held += view[:take]
                view = view[take:]
                if len(held) < length:
                    continue
                content, held = memoryview(held), bytearray()
            yield block, content
            block, length = next(wanted, NO_BLOCK)
    if length:
        raise Unreachable("unreachable", f"The source of {name} ended too early.")


def _places(index: Index, chunk: int) -> Iterator[Place]:
    at = 0
    for block in index.blob(chunk).blocks:
        yield block, at
        at += index.length(block)


def _run(index: Index, chunk: int, run: Sequence[Place]) -> Piece:
    return _piece(index, chunk, [block for block, _ in run], run[0][1], run[-1][1] + index.length(run[-1][0]))


def _piece(index: Index, chunk: int, blocks: Sequence[int], begin: int, end: int) -> Piece:
    blob = index.blob(chunk)
    name = f"block {blocks[0]}" if len(blocks) == 1 else f"blocks {blocks[0]} to {blocks[-1]}"
    return Piece(name, blob.sha256, blob.size_bytes, begin, end, chunk)
