"""How fast a whole release that travels compressed gets into an image slot, beside `zstd -d` into dd, synced.

Promises: the vision stack of the other benchmarks as one image, packed by the server's own process at its own level and
served by its own listener to the agent's own downloader, child and slot; the peers decompress one file of the same
level. All take turns within the same run, each into a file of its own, with two images in turn of which no block is
like the other's, so that nothing is in place; sources are in memory beforehand; medians. Surefoot's seconds hold the
fetching and the verification of every block, which dd knows nothing of; the peer that hashes shows what that costs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from surefoot_server.packs.compose import ZSTD_LEVEL
from surefoot_server.releases.build import ReleaseFolder, build_release
from surefoot_server.releases.recipe import Recipe
from surefoot_shared.errors import InstallFailed
from surefoot_shared.messages import Lease, Source
from surefoot_shared.status import SlotName
from surefoot_simulators.bench import delta, payloads
from surefoot_simulators.bench.delta_peers import tar
from surefoot_simulators.bench.figures import Better, Figure, Peer

ROUNDS = 8
"""The first of each image is thrown away: it makes the slot known, and its blocks on disk."""
GOAL = 0.8
"""Of the speed of `zstd -d | write + fsync`: what verifying in a sealed child may cost."""
GOAL_MIB = 128
MOVED_BYTES = 512
"""By so much the second image's content lies behind the first one's: no block is alike, and all compress alike."""
PAGE_BYTES = 4096
FULL, PEAK, DD, HASHED = "full install", "memory", "zstd -d | dd conv=fsync", "zstd -d | tee | sha256, sync"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Subject:
    """One image in both forms: as a release with its packs in a store, and as one file of zstd."""

    release: ReleaseFolder
    lease: Lease
    compressed: Path
    size_bytes: int


def measure(work: Path, say: Say) -> Sequence[Figure]:
    """Raise InstallFailed where zstd is not installed, or a way does not end with the image in its slot."""
    if shutil.which("zstd") is None:
        raise InstallFailed("artifact_missing", "zstd is not installed.", "apt-get install zstd")
    tree = payloads.make_tree(payloads.BEFORE, work / "tree")
    return compare(tar(tree, work / "payload"), work, say)


def compare(payload: Path, work: Path, say: Say) -> Sequence[Figure]:
    """The figures of any file as the image."""
    store = work / "store"
    store.mkdir(parents=True)
    with delta.served(store) as (_, source):
        subjects = [_subject(work / f"image-{n}", payload, n * MOVED_BYTES, store, source) for n in range(2)]
        size = max(subject.size_bytes for subject in subjects)
        state = work / "state"
        state.mkdir()
        slots = [state / name.value for name in SlotName] + [work / "slot-dd", work / "slot-hashed"]
        for slot in slots:
            _fill(slot, size)
        taken: dict[str, list[float]] = {}
        for number in range(ROUNDS):
            subject = subjects[number % 2]
            told = delta.device(subject.release, state, SlotName.B, subject.lease)
            found = {FULL: told["fill_s"], PEAK: told["together_mib"]}
            found |= {DD: _dd(subject, slots[2]), HASHED: _hashed(subject, slots[3])}
            say(", ".join(f"{name} {value:.2f}" for name, value in found.items()))
            for name, value in found.items() if number >= 2 else ():
                taken.setdefault(name, []).append(value)
    return figures({name: median(values) for name, values in taken.items()}, size)


def figures(medians: Mapping[str, float], size_bytes: int) -> list[Figure]:
    """From median seconds, and MiB; speeds are in MB/s of the image, as dd counts."""
    speed = {name: size_bytes / 1e6 / medians[name] for name in (FULL, DD, HASHED)}
    note = (
        f"fetched, unpacked by the sealed child, verified, written, synced; an image of {size_bytes / 1e6:.0f} MB; "
        f"{speed[FULL] / speed[DD]:.2f} of the first peer, {speed[FULL] / speed[HASHED]:.2f} of the second"
    )
    peers = tuple(Peer(name, speed[name]) for name in (DD, HASHED))
    goal = round(GOAL * speed[DD], 1)
    return [
        Figure("full install of a compressed release", speed[FULL], "MB/s", goal, Better.HIGHER, peers, note),
        Figure("full install, memory", medians[PEAK], "MiB", GOAL_MIB, note="agent and unpacking child at one moment"),
    ]


def _subject(place: Path, payload: Path, moved_bytes: int, store: Path, source: Source) -> Subject:
    place.mkdir()
    image = place / "image"
    with image.open("wb") as file, payload.open("rb") as content:
        file.write(bytes(moved_bytes))
        shutil.copyfileobj(content, file)
    os.truncate(image, -(-image.stat().st_size // PAGE_BYTES) * PAGE_BYTES)
    release = build_release(image, Recipe("rootfs", str(moved_bytes), moved_bytes + 1, hw=("x86",)), place / "release")
    delta.stored(store, release)
    answer = delta.make(store, None, release, place)
    packs = tuple(delta.pack_of(None, release, made) for made in answer.packs)
    subprocess.run(["zstd", "-q", "-T0", f"-{ZSTD_LEVEL}", str(image), "-o", str(place / "zst")], check=True)
    lease = Lease("bench", (source,), delta.ENDLESS_S, packs=packs)
    return Subject(release, lease, place / "zst", image.stat().st_size)


def _fill(slot: Path, size_bytes: int) -> None:
    """Its blocks exist before anybody is measured."""
    with slot.open("wb") as file:
        for _ in range(0, size_bytes, PAGE_BYTES * 256):
            file.write(b"\xff" * (PAGE_BYTES * 256))
        os.fsync(file.fileno())


def _dd(subject: Subject, slot: Path) -> float:
    writer = ["dd", f"of={slot}", "bs=1M", "iflag=fullblock", "conv=fsync,notrunc", "status=none"]
    return _piped(subject, writer)


def _hashed(subject: Subject, slot: Path) -> float:
    """Written and hashed side by side, each by a process of its own; then synced."""
    seconds = _piped(subject, ["tee", str(slot)], ["openssl", "dgst", "-sha256"])
    began = time.monotonic()
    subprocess.run(["sync", str(slot)], check=True)
    return seconds + time.monotonic() - began


def _piped(subject: Subject, *argvs: Sequence[str]) -> float:
    """Seconds of a pipeline that begins with zstd."""
    subject.compressed.read_bytes()  # into memory
    began = time.monotonic()
    running: list[subprocess.Popen[bytes]] = []
    for argv in (["zstd", "-dcq", str(subject.compressed)], *argvs):
        out = subprocess.DEVNULL if argv is argvs[-1] else subprocess.PIPE
        running.append(subprocess.Popen(argv, stdin=running[-1].stdout if running else None, stdout=out))
    for process in running:
        if process.stdout is not None:
            process.stdout.close()  # whoever writes is told when the reader ends
    if any(process.wait() for process in running):
        raise InstallFailed("slot_write_failed", "A pipeline that begins with zstd failed.")
    return time.monotonic() - began
