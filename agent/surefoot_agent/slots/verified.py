"""Blocks on their way into a slot, hashed by two threads while a third reads and writes.

Promises: what comes out matched its signed hash and comes in the order in which it went in; after the first block that
does not match nothing comes. Where the source fails, what it brought before comes out first. Memory is a megabyte.
Hashing releases the interpreter, so on two cores it costs no time beside a disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from surefoot_shared.errors import InstallFailed, SurefootError
from surefoot_shared.image import Index

GROUP_BYTES = 256 * 1024
"""Handed to a thread at once: handing over costs a tenth of hashing so much."""
THREADS = 2
AHEAD = 3
"""Groups that may wait for their turn."""

Block = tuple[int, memoryview]


def verified(index: Index, blocks: Iterable[Block]) -> Iterator[Block]:
    """Pass on what matches; raises InstallFailed(artifact_corrupt) in the place of the first block that does not."""
    waiting: deque[tuple[Sequence[Block], Future[int]]] = deque()
    groups = _groups(blocks, max(1, GROUP_BYTES // index.block_bytes))
    failure: SurefootError | None = None
    group: Sequence[Block] | None = ()
    with ThreadPoolExecutor(THREADS, "hash") as pool:
        while group is not None:
            try:
                group = next(groups, None)
            except SurefootError as error:
                group, failure = None, error
            if group is not None:
                waiting.append((group, pool.submit(_matching, index, group)))
            while len(waiting) > (0 if group is None else AHEAD):
                yield from _good(*waiting.popleft())
    if failure is not None:
        raise failure


def _groups(blocks: Iterable[Block], size: int) -> Iterator[Sequence[Block]]:
    group: list[Block] = []
    try:
        for block in blocks:
            group.append(block)
            if len(group) == size:
                yield group
                group = []
    except SurefootError:
        if group:
            yield group
        raise
    if group:
        yield group


def _matching(index: Index, group: Sequence[Block]) -> int:
    """How many of the group match, from its first on."""
    for number, (block, content) in enumerate(group):
        if not index.matches(block, content):
            return number
    return len(group)


def _good(group: Sequence[Block], matching: Future[int]) -> Iterator[Block]:
    count = matching.result()
    yield from group[:count]
    if count < len(group):
        message = f"What was fetched for block {group[count][0]} does not match its signed hash."
        raise InstallFailed("artifact_corrupt", message)
