"""Two versions of a small release in a store, whose large file moved, was renamed and changed in places."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path

from surefoot_server.packs.contents import Contents
from surefoot_server.releases.build import build_release
from surefoot_server.releases.recipe import Recipe
from surefoot_shared.release import parse_manifest

KIB = 1024


def noise(size_bytes: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size_bytes)


def library(changed: bool) -> bytes:
    """Like a compiled file: most of it stays, moved by what was put in before it, with small changes all over."""
    content = bytearray(noise(600 * KIB, 1))
    if changed:
        content[40 * KIB : 40 * KIB] = noise(3000, 2)
        for at in range(5000, len(content), 9001):
            content[at] = (content[at] + 16) % 256
    return bytes(content)


OLD = {
    "bin/app": b"#!/bin/sh\n" * 9,
    "lib/libx-1a2b3c4d.so.1.2": library(False),
    "notes": b"one",
    "model": noise(90 * KIB, 3),
}
NEW = {"bin/app": b"#!/bin/sh\n" * 8, "lib/libx-99887766.so.1.3": library(True), "notes": b"one", "more/a": b"a" * 500}


@dataclass(frozen=True)
class Shelf:
    blobs: Path
    old: Contents
    new: Contents

    def manifest_file(self, contents: Contents) -> Path:
        return self.blobs / contents.digest[:2] / contents.digest


def make(folder: Path, old: dict[str, bytes] | bytes = OLD, new: dict[str, bytes] | bytes = NEW) -> Shelf:
    """Build both, a tree from a dict and an image from bytes, into one store."""
    blobs = folder / "store"
    return Shelf(blobs, _stored(folder / "old", old, 1, blobs), _stored(folder / "new", new, 2, blobs))


def _stored(folder: Path, content: dict[str, bytes] | bytes, counter: int, blobs: Path) -> Contents:
    folder.mkdir()
    source = folder / "source"
    if isinstance(content, bytes):
        source.write_bytes(content)
    else:
        for path, raw in content.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_bytes(raw)
    made = build_release(source, Recipe("app", str(counter), counter, hw=("rpi5",)), folder / "out")
    for path in [*(folder / "out/blobs").iterdir(), folder / "out/manifest.json"]:
        name = made.digest if path.suffix else path.name
        (blobs / name[:2]).mkdir(parents=True, exist_ok=True)
        if not (blobs / name[:2] / name).exists():
            os.link(path, blobs / name[:2] / name)
    manifest = parse_manifest((folder / "out/manifest.json").read_bytes())
    return Contents(made.digest, manifest, lambda sha256: blobs / sha256[:2] / sha256)
