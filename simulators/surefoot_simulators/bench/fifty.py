"""How often the server sends a release that fifty devices fetch at once: by HTTP, by a site's cache, by the broker.

Promises: downloader, spool, slots, link and cache are the device's own, listener for artifacts, broadcast, gateway and
broker the server's own, all in one process; bytes are counted where the server sends them, and only where every device
sealed the very release afterwards. Measures no time. One copy is the release with its manifest.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from surefoot_agent.download.air import Air
from surefoot_agent.download.beside import Beside
from surefoot_agent.download.cache import Server
from surefoot_agent.download.http import HttpDownloader
from surefoot_agent.download.shelf import Shelf
from surefoot_agent.download.spool import Spool
from surefoot_agent.download.unpack import Unpacker
from surefoot_agent.ports import Wish
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_server.listeners import take_port
from surefoot_server.outlet import Found, Outlet
from surefoot_server.releases.blobs import BlobStore
from surefoot_shared.errors import InstallFailed
from surefoot_shared.messages import Lease, Source
from surefoot_shared.release import Manifest, TreeFile, digest_of, manifest_bytes, note_of
from surefoot_shared.status import Intent, SlotName
from surefoot_simulators.bench import fifty_broker
from surefoot_simulators.bench.figures import Figure

DEVICES = 50
FILES, FILE_BYTES = 6, 400_000
LEASE_S = 600.0
SLOT = SlotName.B
BLOB_LIMIT_BYTES = 1 << 30
CACHE_BYTES = 1 << 30
GOAL_ONCE, GOAL_AIR = 1.0, 1.25
"""The broker gets a copy, and again an object for which a device came seconds late; that device catches up then."""


@dataclass(frozen=True)
class Payload:
    """A release of these files, of which the first is the program."""

    files: Mapping[str, bytes]

    @cached_property
    def manifest(self) -> Manifest:
        program = next(iter(self.files))
        listed = (
            TreeFile(path, 0o755 if path == program else 0o644, len(raw), digest_of(raw))
            for path, raw in self.files.items()
        )
        return Manifest("app", "2.0", 20, 0, ("x86-box",), tuple(listed))

    @cached_property
    def raw(self) -> bytes:
        return manifest_bytes(self.manifest)

    @cached_property
    def content(self) -> dict[str, bytes]:
        """Every object that is fetched, by its name."""
        return {digest_of(raw): raw for raw in [*self.files.values(), self.raw]}

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.content.values()))

    @property
    def wish(self) -> Wish:
        return Wish("a-1", "app", 1, Intent.UPDATE, digest_of(self.raw), len(self.raw), note_of(self.manifest))


@dataclass
class Camera:
    """A device that fetches the manifest and fills its slot."""

    root: Path
    payload: Payload
    lease: Lease
    air: Air | None = None
    caches: Sequence[Source] = ()

    def update(self) -> None:
        wish, manifest = self.payload.wish, self.payload.manifest
        slots = DirectorySlots(self.root / "app")
        beside = Beside(Spool(self.root / "fetch"), Unpacker(), lambda: self.caches, air=self.air)
        downloader = HttpDownloader(slots, None, beside=beside)
        raw = downloader.manifest(wish, self.lease)
        slots.begin(SLOT, manifest, raw)
        downloader.fill(wish, manifest, SLOT, self.lease, lambda *_: None, lambda: False)
        slots.seal(SLOT)

    @property
    def is_whole(self) -> bool:
        """Whether the slot is sealed and holds these very files."""
        slots = DirectorySlots(self.root / "app")
        tree = slots.path(SLOT)
        found = {str(each.relative_to(tree)): each.read_bytes() for each in tree.rglob("*") if each.is_file()}
        return slots.digest(SLOT) == self.payload.wish.digest and found == self.payload.files


def all_at_once(cameras: Sequence[Camera]) -> None:
    """Let every device update; raises what one of them raised, or InstallFailed where one has another release."""
    with ThreadPoolExecutor(len(cameras)) as pool:
        for done in [pool.submit(camera.update) for camera in cameras]:
            done.result()
    lacking = sum(not camera.is_whole for camera in cameras)
    if lacking:
        raise InstallFailed("artifact_missing", f"{lacking} of {len(cameras)} devices did not get the release.")


def lease(*sources: Source, chunk_bytes: int = 0) -> Lease:
    return Lease("a-1", sources, LEASE_S, chunk_bytes=chunk_bytes)


@contextlib.contextmanager
def cache_of_a_site(folder: Path) -> Iterator[Source]:
    """`surefoot-agent cache`, as a source."""
    cache = Server(("127.0.0.1", 0), Shelf(folder, CACHE_BYTES))
    thread = threading.Thread(target=cache.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Source(f"http://127.0.0.1:{cache.server_address[1]}/blobs/", "")
    finally:
        cache.shutdown()
        thread.join()
        cache.server_close()


@contextlib.contextmanager
def outlet(blobs: BlobStore) -> Iterator[tuple[Outlet, Source]]:
    """The server's listener for artifacts."""
    taken = take_port("127.0.0.1", 0, "artifacts")
    port = int(taken.getsockname()[1])
    made = Outlet(taken, lambda name: Found(blobs.existing(name), blobs.etag(name)), lambda token: token)
    made.start()
    try:
        yield made, Source(f"http://127.0.0.1:{port}/token/", "")
    finally:
        made.stop()


def stored(payload: Payload, folder: Path) -> BlobStore:
    blobs = BlobStore(folder, BLOB_LIMIT_BYTES)
    for name, raw in payload.content.items():
        blobs.put(name, raw)
    return blobs


def by_http(payload: Payload, blobs: BlobStore, folder: Path, devices: int, caches: Sequence[Source] = ()) -> int:
    """Bytes that the server's listener sent."""
    with outlet(blobs) as (made, source):
        all_at_once([Camera(folder / str(n), payload, lease(source), caches=caches) for n in range(devices)])
        return made.sent_bytes


def by_broker(payload: Payload, blobs: BlobStore, folder: Path, devices: int) -> int:
    """Bytes that the server gave to the broker."""
    with fifty_broker.on_the_air(folder, blobs, devices) as air:
        given = lease(chunk_bytes=air.chunk_bytes)
        all_at_once([Camera(folder / str(n), payload, given, one) for n, one in enumerate(air.devices)])
        return air.sent_bytes()


def measure(work: Path, say: Callable[[str], None]) -> list[Figure]:
    dice = random.Random(50)  # noqa: S311 - the same bytes in every run
    payload = Payload({f"lib/{n}.so": dice.randbytes(FILE_BYTES + n) for n in range(FILES)})
    blobs = stored(payload, work / "store")
    with cache_of_a_site(work / "cache") as near:
        ways = {
            "by HTTP": (by_http(payload, blobs, work / "http", DEVICES), float(DEVICES)),
            "by one cache of the site": (by_http(payload, blobs, work / "near", DEVICES, [near]), GOAL_ONCE),
            "by the broker": (by_broker(payload, blobs, work / "air", DEVICES), GOAL_AIR),
        }
    figures = []
    for way, (sent, goal) in ways.items():
        say(f"{way}: {sent:,} bytes from the server")
        note = f"{sent:,} bytes from the server for a release of {payload.size_bytes:,}"
        figures.append(
            Figure(f"{DEVICES} devices fetch one release {way}", sent / payload.size_bytes, "copies", goal, note=note)
        )
    return figures
