"""The block device or file behind an image slot: opened only where nobody else uses it, read past the page cache.

Promises: reading is O_DIRECT, so what is compared comes from the medium (on a loop device: from the file behind it);
where a file system refuses that (tmpfs), pages are dropped by posix_fadvise before they are read, and the log says so.
What cannot be read (EIO and its kin) reads as nothing, which matches no hash. Writing takes the device exclusively
(O_EXCL) and refuses one that is mounted. Memory is two windows, whatever the size of the image.
Raises InstallFailed (slot_missing, slot_in_use, no_space, slot_write_failed).
"""

from __future__ import annotations

import errno
import functools
import logging
import mmap
import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from surefoot_agent.slots import mounts
from surefoot_shared.errors import InstallFailed
from surefoot_shared.image import Index

log = logging.getLogger(__name__)
READERS = 2
"""Measured: two reads in flight, each hashed where it was read, take half the time of one; three are no faster."""
SHARE_WINDOWS = 8
"""What a thread is given at once: on a busy device each handing over waits for a turn on the processor."""
WINDOW_BYTES = 1024 * 1024
"""What one read brings: as large as the largest block."""
ALIGNED_BYTES = 4096
"""Memory, offset and length of a direct read are whole pages; no disk has larger sectors."""
START_BYTES = 32 * 1024 * 1024
"""After so much the kernel is told to start writing, so that a sync later finds little left to do. Measured: as fast
as direct writes from a thread of their own on an idle machine, and faster than threads on a busy one."""
UNREADABLE = frozenset({errno.EIO, errno.EREMOTEIO, errno.ENODATA, errno.EILSEQ, errno.EBADMSG})
GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENXIO, errno.ENODEV, errno.ELOOP})


def size_of(path: Path) -> int:
    """Bytes that the slot has; raises InstallFailed(slot_missing)."""
    with said(path):
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # an open of a pipe would wait
    try:
        _refuse_other_things(path, os.fstat(handle))
        return os.lseek(handle, 0, os.SEEK_END)
    finally:
        os.close(handle)


class Medium:
    """A slot that is being written. Nothing is durable before `sync`."""

    def __init__(self, path: Path) -> None:
        """Raises InstallFailed(slot_in_use) where the device is mounted or taken."""
        self._path, self._unstarted = path, 0
        with said(path):
            self._handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK | _exclusive(path))
        try:
            status = os.fstat(self._handle)
            _refuse_other_things(path, status)
            place = mounts.mounted_at(status, path, mounts.table())
            if place is not None:
                raise InstallFailed("slot_in_use", f"{path} is mounted at {place} and is not written.")
        except BaseException:
            self.close()
            raise

    def write(self, offset: int, content: bytes | memoryview) -> None:
        view = memoryview(content)
        with said(self._path):
            while view:
                count = os.pwrite(self._handle, view, offset)
                view, offset = view[count:], offset + count
                self._unstarted += count
            if self._unstarted >= START_BYTES:
                os.posix_fadvise(self._handle, 0, 0, os.POSIX_FADV_DONTNEED)  # starts writing, and does not wait
                self._unstarted = 0

    def sync(self) -> None:
        """Put everything that was written onto the medium."""
        with said(self._path):
            os.fsync(self._handle)

    def close(self) -> None:
        os.close(self._handle)


def compare_blocks(path: Path, index: Index, blocks: Sequence[int]) -> Iterator[tuple[int, bool]]:
    """Yield (block, whether the medium holds its very bytes) for each of `blocks`, in their order."""
    windows = list(_windows(index, blocks))
    shares = [windows[at : at + SHARE_WINDOWS] for at in range(0, len(windows), SHARE_WINDOWS)]
    with _reading(path) as handle, ThreadPoolExecutor(READERS, "read-back") as pool:
        for found in pool.map(functools.partial(_compared, handle, index), shares):
            yield from found


def read_blocks(path: Path, index: Index, blocks: Sequence[int]) -> Iterator[tuple[int, memoryview]]:
    """Yield (block, bytes) for each of `blocks`, in their order; shorter where it cannot be read.

    The bytes are good until the next step.
    """
    buffer = _pages()
    with _reading(path) as handle:
        for window in _windows(index, blocks):
            yield from _cut(index, window, _read(handle, index, window, buffer))


def _compared(handle: int, index: Index, windows: Sequence[range]) -> list[tuple[int, bool]]:
    buffer, found = _pages(), []
    for window in windows:
        content = _read(handle, index, window, buffer)
        found += [(block, index.matches(block, part)) for block, part in _cut(index, window, content)]
    return found


def _pages() -> memoryview:
    """Memory for one window, aligned as a direct read wants it."""
    return memoryview(mmap.mmap(-1, WINDOW_BYTES))


def _cut(index: Index, window: range, content: memoryview) -> Iterator[tuple[int, memoryview]]:
    for block in window:
        begin = (block - window[0]) * index.block_bytes
        yield block, content[begin : begin + index.length(block)]


@contextmanager
def said(path: Path) -> Iterator[None]:
    """Translate what the disk says into what the device reports."""
    try:
        yield
    except OSError as error:
        raise InstallFailed(_kind(error.errno), f"{path}: {error.strerror or error}.") from error


def _kind(number: int | None) -> str:
    if number in GONE:
        return "slot_missing"
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "no_space"
    return "slot_in_use" if number in (errno.EBUSY, errno.ETXTBSY) else "slot_write_failed"


def _exclusive(path: Path) -> int:
    """The kernel gives a mounted, mapped or swapped device to nobody else; files know no such thing."""
    return os.O_EXCL if stat.S_ISBLK(os.stat(path).st_mode) else 0


def _refuse_other_things(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISBLK(status.st_mode) and not stat.S_ISREG(status.st_mode):
        raise InstallFailed("slot_missing", f"{path} is neither a block device nor a file.")


def _windows(index: Index, blocks: Sequence[int]) -> Iterator[range]:
    """Cut into runs of neighbours that fit a window."""
    most, run = WINDOW_BYTES // index.block_bytes, range(0)
    for block in blocks:
        if run and block == run.stop and len(run) < most:
            run = range(run.start, block + 1)
        else:
            if run:
                yield run
            run = range(block, block + 1)
    if run:
        yield run


@contextmanager
def _reading(path: Path) -> Iterator[int]:
    with said(path):
        handle = _opened(path)
    try:
        yield handle
    finally:
        os.close(handle)


def _opened(path: Path) -> int:
    plain = os.O_RDONLY | os.O_CLOEXEC
    try:
        handle = os.open(path, plain | os.O_DIRECT)
        try:
            os.preadv(handle, [mmap.mmap(-1, ALIGNED_BYTES)], 0)
            return handle
        except OSError as error:
            if error.errno in UNREADABLE:
                return handle
            os.close(handle)
            raise
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    _tell_of_the_cache(path)
    handle = os.open(path, plain)
    os.fsync(handle)  # dirty pages cannot be dropped
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    return handle


@functools.lru_cache(maxsize=16)
def _tell_of_the_cache(path: Path) -> None:
    """Once for each slot, not at each of a thousand pieces."""
    log.warning("slot_read_through_cache path=%s", path)


def _read(handle: int, index: Index, window: range, buffer: memoryview) -> memoryview:
    """Fill the buffer with the blocks of the window and return what came. A direct read is of whole pages."""
    begin = window[0] * index.block_bytes
    wanted = (len(window) - 1) * index.block_bytes + index.length(window[-1])
    whole = -(-wanted // ALIGNED_BYTES) * ALIGNED_BYTES
    have = 0
    try:
        while have < wanted and not have % ALIGNED_BYTES:  # what ends within a page is the end
            count = os.preadv(handle, [buffer[have:whole]], begin + have)
            have += count
            if not count:
                break
    except OSError as error:
        if error.errno not in UNREADABLE:
            raise
        log.warning("slot_block_unreadable first=%d count=%d error=%s", window[0], len(window), error.strerror)
    return buffer[: min(have, wanted)]
