"""How fast an image gets into a slot, beside `rauc install` and dd: 256 MiB of random bytes, files on one file system.

Promises: the three take turns within the same run, each with a file of its own as its slot, each with two images in
turn so that none finds its bytes in place, each with its source in memory beforehand; medians. Surefoot and RAUC verify
everything that they write, all three end with a sync. Surefoot's first figure holds, besides, what no other does:
reading the slot back from the medium. dd hashes nothing; the peer that hashes first, by the same library, shows what
that costs here.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from statistics import median

from surefoot_server.releases.build import build_release
from surefoot_server.releases.recipe import Recipe
from surefoot_shared.errors import InstallFailed
from surefoot_shared.status import SlotName
from surefoot_simulators.bench import halves
from surefoot_simulators.bench.figures import Better, Figure, Peer
from surefoot_simulators.bench.install_child import IN_TWO_HALVES
from surefoot_simulators.bench.rauc import Rauc, lacking, running_rauc

MIB = 1024 * 1024
HW = "x86-box"
IMAGE_MIB = 256
ROUNDS = 6
"""The first of each image is thrown away: it makes the slot known, and its blocks on disk."""
DD_GOAL = 0.8
"""Of dd's speed: hashing every byte twice costs what it costs, and more than a fifth would be ours."""
HALVES_GOAL = 0.75
"""Of the speed of one process: every byte goes through a socket, and is hashed by the half that writes it."""
MEMORY_GOAL_MIB = 16.0
"""So that idle agent and install together stay well below what a small camera node has to spare."""
READ_BACK, WRITTEN, SEAL, PEAK = "read back", "written", "seal", "peak"
HALVES = "in two halves, read back"
RAUC, DD, HASHED_DD = "rauc install", "dd conv=fsync", "openssl sha256, then dd"


def measure(work: Path, say: Callable[[str], None]) -> Sequence[Figure]:
    """Raise InstallFailed where one of the three does not end with the image in its slot."""
    images = [_image(work / f"image-{seed}", seed) for seed in (1, 2)]
    releases = [_release(image, number) for number, image in enumerate(images, start=1)]
    absent = lacking()
    slots = {name: _slot(work / f"slot-{name}") for name in ("own-a", "own-b", "two-b", "rauc-a", "rauc-b", "dd")}
    split = {SlotName.A: slots["own-a"], SlotName.B: slots["two-b"]}
    halves.prepare(work / "halves", "rootfs", HW, [(release / "manifest.json").read_bytes() for release in releases])
    taken: dict[str, list[float]] = {}
    with nullcontext() if absent else running_rauc(work / "rauc", (slots["rauc-a"], slots["rauc-b"])) as rauc:
        bundles = [rauc.bundle(image) for image in images] if rauc else []
        for number in range(ROUNDS):
            image, release = images[number % 2], releases[number % 2]
            found = _surefoot(release, work / "state", slots["own-a"], slots["own-b"])
            with halves.helper(work / "halves", "rootfs", split):
                apart = _surefoot(release, work / "halves", slots["own-a"], slots["two-b"], IN_TWO_HALVES)
            found[HALVES] = apart[READ_BACK]
            _warm(image)
            hashed_s, copied_s = _timed("openssl", "dgst", "-sha256", str(image)), _dd(image, slots["dd"])
            found |= {DD: copied_s, HASHED_DD: hashed_s + copied_s}
            if rauc:
                found[RAUC] = _rauc(rauc, bundles[number % 2], image, slots["rauc-b"])
            say(", ".join(f"{name} {value:.2f}" for name, value in found.items()))
            for name, value in found.items() if number >= 2 else ():
                taken.setdefault(name, []).append(value)
    return figures({name: median(values) for name, values in taken.items()}, absent)


def figures(medians: Mapping[str, float], absent: str = "") -> list[Figure]:
    """Three figures from median seconds (and MiB); speeds are in MB/s, as dd counts."""
    speed = {
        name: IMAGE_MIB * MIB / 1e6 / medians[name]
        for name in (READ_BACK, HALVES, WRITTEN, RAUC, DD, HASHED_DD)
        if name in medians
    }
    peers = tuple(Peer(name, speed[name]) for name in (RAUC, DD, HASHED_DD) if name in speed)
    note = f"{IMAGE_MIB} MiB, medians of {ROUNDS - 2}, files on one file system" + (f"; {absent}" if absent else "")
    whole = f"verified, synced, and read back past the page cache, which no peer does; {note}"
    part = f"verified and synced; dd alone hashes nothing; {note}"
    first = [_speed("image install, read back", speed[READ_BACK], speed[RAUC], peers, whole)] if RAUC in speed else []
    alone, goal = Peer("in one process", speed[READ_BACK]), HALVES_GOAL * speed[READ_BACK]
    return [
        *first,
        _speed(
            "image install in two halves, read back",
            speed[HALVES],
            goal,
            (alone, *peers),
            f"as above, with the helper's verification of the manifest in a child of its own; {note}",
        ),
        _speed("image install, written", speed[WRITTEN], DD_GOAL * speed[DD], peers, part),
        Figure("image install, memory beyond what the agent has idle", medians[PEAK], "MiB", MEMORY_GOAL_MIB),
    ]


def _speed(name: str, value: float, goal: float, peers: tuple[Peer, ...], note: str) -> Figure:
    return Figure(name, value, "MB/s", round(goal, 1), Better.HIGHER, peers, note)


def _image(path: Path, seed: int) -> Path:
    source = random.Random(seed)  # noqa: S311 -- the same bytes for everybody, and no secret
    with path.open("wb") as file:
        for _ in range(IMAGE_MIB):
            file.write(source.randbytes(MIB))
    return path


def _release(image: Path, number: int) -> Path:
    out = image.with_name(f"{image.name}-release")
    build_release(image, Recipe("rootfs", str(number), number, hw=(HW,)), out)
    return out


def _slot(path: Path) -> Path:
    """A slot is a little larger than its image, and its blocks exist before anybody is measured."""
    with path.open("wb") as file:
        for _ in range(IMAGE_MIB + 8):
            file.write(b"\xff" * MIB)
        os.fsync(file.fileno())
    return path


def _surefoot(release: Path, state: Path, slot_a: Path, slot_b: Path, *more: str) -> dict[str, float]:
    argv = [sys.executable, "-m", "surefoot_simulators.bench.install_child", release, state, slot_a, slot_b, *more]
    _warm(*(release / "blobs").iterdir())
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True)
    if done.returncode:
        raise InstallFailed("slot_write_failed", f"The install failed: {done.stderr[-500:]}")
    said = json.loads(done.stdout)
    fill_s, seal_s = float(said["fill_s"]), float(said["seal_s"])
    return {READ_BACK: fill_s + seal_s, WRITTEN: fill_s, SEAL: seal_s, PEAK: said["peak_mib"] - said["before_mib"]}


def _warm(*files: Path) -> None:
    """Read the files once: everybody's source comes from memory, as what the slot costs is the question."""
    for path in files:
        with path.open("rb", buffering=0) as file:
            while file.read(MIB):
                pass


def _dd(image: Path, slot: Path) -> float:
    _warm(image)
    return _timed("dd", f"if={image}", f"of={slot}", "bs=1M", "conv=fsync,notrunc", "status=none")


def _timed(*argv: str) -> float:
    began = time.monotonic()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def _rauc(rauc: Rauc, bundle: Path, image: Path, slot: Path) -> float:
    _warm(bundle)
    seconds = rauc.install(bundle)
    with image.open("rb") as wanted, slot.open("rb") as found:
        if any(wanted.read(MIB) != found.read(MIB) for _ in range(IMAGE_MIB)):
            raise InstallFailed("slot_corrupt", "RAUC did not write the image into its second slot.")
    return seconds
