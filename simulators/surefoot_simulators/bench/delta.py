"""What an update of a vision stack costs: bytes over the wire, seconds and memory on the device, beside its peers.

Promises: packs are made by the server's own process and served by its own listener to the agent's own downloader;
bytes are counted where they leave the server, those of the manifest with them. Peers take the same
trees in the same run. `SUREFOOT_BENCH_PAIRS` names the pairs, separated by commas; all by default.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from surefoot_server.listeners import take_port
from surefoot_server.outlet import Found, Outlet
from surefoot_server.packs.orders import Answer, Order, Written
from surefoot_server.releases.build import MANIFEST_FILE, ReleaseFolder, build_release
from surefoot_server.releases.recipe import Recipe
from surefoot_shared import wire
from surefoot_shared.errors import InstallFailed
from surefoot_shared.messages import Lease, Pack, Source
from surefoot_shared.pack import WHOLE, Encoding
from surefoot_shared.status import SlotName
from surefoot_simulators.bench import debian, delta_peers, payloads
from surefoot_simulators.bench.delta_peers import Side, side_of
from surefoot_simulators.bench.figures import Figure, Peer

ENDLESS_S = 36_000.0
GOAL_MIB = 128
GOAL_RATIO = 0.01
"""Of a whole download with zstd, for a patch release."""
ANSWER_LIMIT_BYTES = 1 << 20
ROOT_IMAGE = "root image"
Say = Callable[[str], None]


def measure(work: Path, say: Say) -> list[Figure]:
    asked = [name.strip() for name in os.environ.get("SUREFOOT_BENCH_PAIRS", "").split(",") if name.strip()]
    figures = [] if asked and ROOT_IMAGE not in asked else _root_image(work / "root", say)
    if asked == [ROOT_IMAGE]:
        return figures
    old_tree = payloads.make_tree(payloads.BEFORE, work / "before")
    old = build_release(old_tree, Recipe("app", "1", 1, hw=("x86",)), work / "release-before")
    for number, (name, payload) in enumerate(payloads.AFTER.items(), 2):
        if asked and name not in asked:
            continue
        place = work / name.replace(" ", "-")
        tree = payloads.make_tree(payload, place / "tree")
        new = build_release(tree, Recipe("app", str(number), number, hw=("x86",)), place / "release")
        sides = (side_of(old_tree, place / "old.tar"), side_of(tree, place / "new.tar"))
        figures += _pair(name, old, new, sides, place, say)
    return figures


def _root_image(work: Path, say: Say) -> list[Figure]:
    """A Debian root before and after its updates, image to image; none where it cannot be made here."""
    if lacking := debian.absent():
        say(f"{ROOT_IMAGE}: {'; '.join(lacking)}")
        return []
    sides = debian.sides(work)
    old, new = (
        build_release(side.file, Recipe("rootfs", str(number), number, hw=("x86",)), work / f"release-{number}")
        for number, side in enumerate(sides, 1)
    )
    return _pair(ROOT_IMAGE, old, new, sides, work, say)


def _pair(
    name: str, old: ReleaseFolder, new: ReleaseFolder, sides: tuple[Side, Side], place: Path, say: Say
) -> list[Figure]:
    told, manifest_bytes, sent_bytes = update(old, new, place)
    say(f"{name}: {sent_bytes / 1e6:.2f} MB, {told['fill_s']:.1f} s, {told['together_mib']:.0f} MiB")
    (place / "peers").mkdir()
    peers = delta_peers.measure(*sides, place / "peers", say)
    return figures(name, sent_bytes, manifest_bytes, told, told["made_s"], peers)


def update(old: ReleaseFolder, new: ReleaseFolder, place: Path) -> tuple[dict[str, float], int, int]:
    """Make packs and update a device with them.

    Returns what it says and how long making took, the bytes of the manifest's pack, and the bytes that were sent.
    """
    place.mkdir(exist_ok=True)
    _make_slots(place / "state", new)
    store = stored(place / "store", old, new)
    answer = make(store, old, new, place)
    told, sent_bytes = _update(store, old, new, answer, place)
    return {**told, "made_s": answer.seconds}, answer.manifest.size_bytes, sent_bytes


def _make_slots(state: Path, release: ReleaseFolder) -> None:
    """Of an image: two files of its size in the place of partitions."""
    if release.manifest.image is not None:
        state.mkdir()
        for slot in SlotName:
            with (state / slot.value).open("wb") as file:
                file.truncate(release.manifest.image.size_bytes)


def figures(
    name: str, sent_bytes: int, manifest_bytes: int, told: dict[str, float], made_s: float, peers: Sequence[Peer]
) -> list[Figure]:
    """The goal is to need fewer bytes than every peer, and a hundredth of a whole download for a patch release."""
    whole = next((peer.value for peer in peers if peer.name.startswith("zstd -3")), 0.0)
    goal = min((peer.value for peer in peers), default=0.0)
    if name == "patch release":
        goal = min(goal, GOAL_RATIO * whole)
    note = (
        f"packs; {manifest_bytes / 1e6:.2f} MB of it make the manifest; made once in {made_s:.0f} s; "
        f"fill {told['fill_s']:.1f} s and read back {told['seal_s']:.1f} s on the device"
    )
    lacking = "; ".join(delta_peers.absent())
    memory = (
        f"agent and unpacking child at one moment, looked at each 10 ms; "
        f"each at its own peak: {told['peak_mib']:.0f} and {told['child_mib']:.0f} MiB"
    )
    return [
        Figure(f"{name}, bytes", sent_bytes / 1e6, "MB", round(goal, 3), peers=tuple(peers), note=f"{note}; {lacking}"),
        Figure(f"{name}, memory", told["together_mib"], "MiB", GOAL_MIB, note=memory),
    ]


def stored(folder: Path, *releases: ReleaseFolder) -> Path:
    """Blobs and manifests under their names, as the server keeps them."""
    for release in releases:
        files = {path.name: path for path in (release.folder / "blobs").iterdir()}
        for sha256, path in {**files, release.digest: release.folder / MANIFEST_FILE}.items():
            (folder / sha256[:2]).mkdir(parents=True, exist_ok=True)
            if not (folder / sha256[:2] / sha256).exists():
                os.link(path, folder / sha256[:2] / sha256)
    return folder


def make(store: Path, old: ReleaseFolder | None, new: ReleaseFolder, place: Path) -> Answer:
    """Have the server's process make packs, from nothing where there is no old release; they are in the store then."""
    begins, encoding = (str(old.folder / MANIFEST_FILE), Encoding.XZ) if old else ("", Encoding.ZSTD)
    out = place / "packs"
    out.mkdir()
    order = Order(begins, str(new.folder / MANIFEST_FILE), str(store), str(out), encoding, 0)
    argv = [sys.executable, "-m", "surefoot_server.packs.child"]
    done = subprocess.run(argv, input=wire.encode(order), capture_output=True)
    if done.returncode:
        raise InstallFailed("artifact_corrupt", f"No packs were made: {done.stderr.decode()[-300:]}")
    for path in out.iterdir():
        (store / path.name[:2]).mkdir(exist_ok=True)
        path.rename(store / path.name[:2] / path.name)
    return wire.decode(Answer, done.stdout, ANSWER_LIMIT_BYTES)


def pack_of(old: ReleaseFolder | None, new: ReleaseFolder, made: Written) -> Pack:
    start = old.digest if old else WHOLE
    return Pack(start, new.digest, made.sha256, made.size_bytes, made.encoding, made.decoded_bytes)


def _update(
    store: Path, old: ReleaseFolder, new: ReleaseFolder, answer: Answer, place: Path
) -> tuple[dict[str, float], int]:
    """Put the old release into slot A, then the new one into B with packs; (what the device says, bytes sent)."""
    with served(store) as (outlet, source):
        sources = (source,)
        device(old, place / "state", SlotName.A, Lease("bench", sources, ENDLESS_S))
        before = outlet.sent_bytes
        packs, manifest = tuple(pack_of(old, new, made) for made in answer.packs), pack_of(old, new, answer.manifest)
        lease = Lease("bench", sources, ENDLESS_S, packs=packs, manifest_packs=(manifest,))
        told = device(new, place / "state", SlotName.B, lease)
        return told, outlet.sent_bytes - before


@contextmanager
def served(store: Path) -> Iterator[tuple[Outlet, Source]]:
    """The server's own plain listener over a store, and what a lease calls it."""
    taken = take_port("127.0.0.1", 0, "artifacts")
    outlet = Outlet(taken, lambda name: Found(store / name[:2] / name, f'"{name}"'), lambda token: token)
    outlet.start()
    try:
        yield outlet, Source(f"http://127.0.0.1:{taken.getsockname()[1]}/token/", "")
    finally:
        outlet.stop()


def device(release: ReleaseFolder, state: Path, slot: SlotName, lease: Lease) -> dict[str, float]:
    """Have a process install the release into a slot; returns what `delta_child` says, raises InstallFailed."""
    argv = [sys.executable, "-m", "surefoot_simulators.bench.delta_child", str(release.folder), str(state), slot.value]
    done = subprocess.run(argv, input=wire.encode(lease), capture_output=True)
    if done.returncode:
        raise InstallFailed("slot_write_failed", f"The update failed: {done.stderr.decode()[-500:]}")
    said: dict[str, float] = json.loads(done.stdout)
    return said
