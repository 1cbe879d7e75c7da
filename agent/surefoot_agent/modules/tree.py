"""The file tree of version 3 that a module is started in, made durable before the first call.

Promises: a tree that stands is whole: it is made beside its place and moved there; what the module keeps in `tmp` and
`files` outlives calls and restarts until the tree is removed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from surefoot_agent import durable
from surefoot_agent.guard import fsync_folder
from surefoot_shared.module import Payload

COPY_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Device:
    """What a module may read about the device."""

    artifact: str = ""
    group: str = ""
    kind: str = ""
    """Its hardware: Mender's device type."""


def lay(tree: Path, payload: Payload, device: Device) -> None:
    """Make the tree of a payload anew."""
    half = tree.with_name(tree.name + ".half")
    remove(half)
    remove(tree)
    for folder in ("header", "tmp", "files", "streams"):
        durable.make_folder(half / folder)
    for name, text in {**_device(device), **{f"header/{n}": t for n, t in payload.headers().items()}}.items():
        _write(half / name, text)
    os.replace(half, tree)
    fsync_folder(tree.parent)


def keep_files(tree: Path, sources: Mapping[str, Path]) -> None:
    """Store the payload files for a module that left the streams alone."""
    for name, source in sources.items():
        with source.open("rb") as read, (tree / "files" / name).open("wb") as write:
            shutil.copyfileobj(read, write, COPY_BYTES)
            write.flush()
            os.fsync(write.fileno())
    fsync_folder(tree / "files")


def sync(tree: Path) -> None:
    """Make durable whatever a module has left in its tree: a restart may follow."""
    for folder, _, names in os.walk(tree):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
        fsync_folder(Path(folder))


def remove(tree: Path) -> None:
    if tree.exists():
        shutil.rmtree(tree)
        fsync_folder(tree.parent)


def _device(device: Device) -> Mapping[str, str]:
    return {
        "version": "3\n",
        "current_artifact_name": f"{device.artifact}\n" if device.artifact else "",
        "current_artifact_group": f"{device.group}\n" if device.group else "",
        "current_device_type": f"{device.kind}\n" if device.kind else "",
    }


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fsync_folder(path.parent)
