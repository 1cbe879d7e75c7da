"""How many bytes other ways need for the same pair of trees, each by its own program on this machine.

Promises: every figure is measured now, but for RAUC's block-hash index, which is computed from the blocks as its
streaming needs a kernel's help: labelled so. A program that is not there is named with the way to install it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from surefoot_simulators.bench.figures import Peer

BLOCK_BYTES = 4096
PROGRAMS = {"zstd": "zstd", "casync": "casync", "zck": "zchunk", "ostree": "ostree"}


def absent() -> list[str]:
    return [f"{name} is not installed (apt-get install {p})" for name, p in PROGRAMS.items() if not shutil.which(name)]


@dataclass(frozen=True)
class Side:
    """A release as a folder and as one file: a tree's archive, or the image that holds the tree."""

    tree: Path
    file: Path


def side_of(tree: Path, archive: Path) -> Side:
    return Side(tree, tar(tree, archive))


def measure(old: Side, new: Side, work: Path, say: Callable[[str], None]) -> list[Peer]:
    """Bytes in MB of every way whose program is there."""
    before, after = old.file, new.file
    ways: dict[str, tuple[str, Callable[[], int]]] = {
        "zstd -3, whole": ("zstd", lambda: _zstd(after, work)),
        "zstd --patch-from, whole": ("zstd", lambda: _zstd(after, work, f"--patch-from={before}", "--long=31")),
        "casync": ("casync", lambda: _casync(before, after, work)),
        "zchunk": ("zck", lambda: _zchunk(before, after, work)),
        "OSTree static delta": ("ostree", lambda: _ostree(old.tree, new.tree, work)),
        "RAUC block-hash index (computed)": ("", lambda: _blocks(before, after)),
    }
    found = []
    for name, (program, way) in ways.items():
        if not program or shutil.which(program):
            found.append(Peer(name, way() / 1e6))
            say(f"{name}: {found[-1].value:.2f} MB")
    return found


def tar(folder: Path, file: Path) -> Path:
    """One file of a folder, the same on every machine."""
    argv = ["tar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "-C", str(folder), "-cf", str(file), "."]
    subprocess.run(argv, check=True)
    return file


def _zstd(file: Path, work: Path, *more: str) -> int:
    out = work / "out.zst"
    subprocess.run(["zstd", "-q", "-f", "-3", *more, str(file), "-o", str(out)], check=True)
    return out.stat().st_size


def _casync(before: Path, after: Path, work: Path) -> int:
    """Chunks of the new one that the old one's store has not, and its index."""
    stores = []
    for name, tar in (("old", before), ("new", after)):
        store = work / f"casync-{name}"
        argv = ["casync", "make", f"--store={store}", str(work / f"{name}.caibx"), str(tar)]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        stores.append({path.name: path.stat().st_size for path in store.rglob("*.cacnk")})
    fresh = sum(size for name, size in stores[1].items() if name not in stores[0])
    return fresh + (work / "new.caibx").stat().st_size


def _zchunk(before: Path, after: Path, work: Path) -> int:
    for tar in (before, after):
        subprocess.run(["zck", str(tar), "-o", f"{tar}.zck"], check=True, cwd=work, stdout=subprocess.DEVNULL)
    said = subprocess.run(
        ["zck_delta_size", f"{before}.zck", f"{after}.zck"], capture_output=True, text=True, check=True
    )
    words = said.stdout.replace(",", "").split()
    return next(int(word) for word in words if word.isdigit() and int(word) > 1000)


def _ostree(old: Path, new: Path, work: Path) -> int:
    repo = f"--repo={work / 'ostree'}"
    run = ["ostree", repo]
    subprocess.run([*run, "init", "--mode=archive"], check=True)
    revisions = []
    for tree in (old, new):
        argv = [*run, "commit", "--branch=app", f"--tree=dir={tree}", "--canonical-permissions", "--timestamp=@0"]
        revisions.append(subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip())
    delta = work / "delta"
    argv = [*run, "static-delta", "generate", f"--from={revisions[0]}", f"--to={revisions[1]}", "--inline"]
    argv.append("--min-fallback-size=0")  # else what is large is not in the delta: a device fetches it beside it, whole
    subprocess.run([*argv, f"--filename={delta}"], check=True, stdout=subprocess.DEVNULL)
    return delta.stat().st_size


def _blocks(before: Path, after: Path) -> int:
    """Blocks of 4 KiB that the old one has not, and the index: what RAUC's adaptive update fetches."""
    have = set(_digests(before))
    wanted = list(_digests(after))
    return len({digest for digest in wanted if digest not in have}) * BLOCK_BYTES + 32 * len(wanted)


def _digests(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            yield hashlib.sha256(block).digest()
