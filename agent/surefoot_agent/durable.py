"""Folders and removals that are on the medium when the call returns; whole files are `guard.write_file`'s.

`os.fsync` of a file does not keep its name: the folder that holds the name needs one too (man 2 fsync).
"""

from __future__ import annotations

import os
from pathlib import Path

from surefoot_agent.guard import fsync_folder


def remove(path: Path) -> None:
    """Remove a file for good; a missing one is fine."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    fsync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder and its parents, each name durable."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(mode=0o755, exist_ok=True)
    fsync_folder(path.parent)


def sync_record(folder: Path, name: str) -> None:
    """Make both generations of a record durable: whoever wrote the newest may have died before its fsync."""
    for generation in (0, 1):
        try:
            handle = os.open(folder / f"{name}.{generation}", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    fsync_folder(folder)


def write_all(handle: int, chunk: bytes) -> None:
    """Write every byte: one call may take fewer, near a full disk above all."""
    view = memoryview(chunk)
    while view:
        view = view[os.write(handle, view) :]
