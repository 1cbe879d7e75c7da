"""The calls that change a disk as they were before a Medium stood under them, and what undoes each of them."""

from __future__ import annotations

import builtins
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress

Inode = tuple[int, int]


class Real:
    """The functions as they were before anybody stood under them."""

    NAMES = ("open", "write", "pwrite", "ftruncate", "truncate", "fsync", "unlink", "rename", "link", "symlink")
    NAMES += ("mkdir", "rmdir", "chmod")
    open, write, pwrite, close, fsync = os.open, os.write, os.pwrite, os.close, os.fsync
    ftruncate, unlink, rename, replace, link = os.ftruncate, os.unlink, os.rename, os.replace, os.link
    symlink, mkdir, rmdir, chmod = os.symlink, os.mkdir, os.rmdir, os.chmod
    open_file = builtins.open
    connect = sqlite3.connect


def flags_of(mode: str) -> int:
    flags = os.O_RDWR if "+" in mode else os.O_WRONLY
    if "w" in mode:
        flags |= os.O_CREAT | os.O_TRUNC
    if "x" in mode:
        flags |= os.O_CREAT | os.O_EXCL
    return flags | (os.O_CREAT | os.O_APPEND if "a" in mode else 0) | os.O_CLOEXEC


def inode_of(status: os.stat_result) -> Inode:
    return status.st_dev, status.st_ino


def read_at(handle: int, at: int, size: int) -> bytes:
    own = Real.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(own, size, at) if size > 0 else b""
    finally:
        Real.close(own)


def restore(handle: int, at: int, old: bytes, size: int) -> None:
    Real.pwrite(handle, old, at)
    Real.ftruncate(handle, size)


def is_folder(place: str) -> bool:
    return os.path.isdir(place) and not os.path.islink(place)


def unrename(old: str, new: str, grave: str | None) -> None:
    if os.path.lexists(new):
        Real.rename(new, old)
    if grave is not None:
        Real.rename(grave, new)


def quietly(call: Callable[..., None], *paths: str | None) -> None:
    with suppress(FileNotFoundError):
        call(*map(str, paths))
