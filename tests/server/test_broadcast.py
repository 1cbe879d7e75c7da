"""What several devices lack is sent once, at its pace, and whoever still lacks something asks again."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from surefoot_agent.download.air import Air
from surefoot_agent.download.spool import Spool
from surefoot_server.broadcast import CHUNK_BYTES, Broadcast
from surefoot_server.releases.blobs import BlobStore
from surefoot_shared.errors import NotFound
from surefoot_shared.messages import ChunkRequest
from surefoot_shared.pack import bitmap
from surefoot_shared.release import digest_of
from tests.server.house import Device, House

NAME = "a" * 64
BLOB = random.Random(1).randbytes(5 * CHUNK_BYTES + 100)
FAST = 1 << 30
WAIT_S = 20.0


class Store:
    def size(self, sha256: str) -> int:
        if sha256 != NAME:
            raise NotFound("not_found", "There is no such blob.")
        return len(BLOB)

    def read(self, sha256: str, at: int, size_bytes: int) -> bytes:
        return BLOB[at : at + size_bytes]


class Ether:
    """Remembers what was sent, by chunk; `up` is whether the broker takes it."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self.up = True
        self.news = threading.Condition()

    def publish(self, topic: str, payload: bytes) -> bool:
        with self.news:
            self.sent.append((int(topic.rpartition("/")[2]), payload if self.up else b""))
            self.news.notify_all()
        return self.up

    def wait(self, done: Callable[[], bool]) -> None:
        with self.news:
            assert self.news.wait_for(done, WAIT_S), self.sent


def request(
    device: str, *missing: int, size: int = len(BLOB), chunk: int = CHUNK_BYTES, name: str = NAME
) -> ChunkRequest:
    return ChunkRequest(device, name, size, chunk, bitmap(missing, 6))


@pytest.fixture
def ether() -> Ether:
    return Ether()


@pytest.fixture
def broadcast(ether: Ether) -> Iterator[Broadcast]:
    made = Broadcast(Store(), ether.publish, FAST, gather_s=0.0)
    yield made
    made.stop()


def test_what_fifty_devices_ask_for_together_is_sent_once(ether: Ether, broadcast: Broadcast) -> None:
    for n in range(50):
        broadcast.ask(request(f"cam-{n}", *range(6)))
    broadcast.start()

    ether.wait(lambda: len(ether.sent) >= 6)
    broadcast.stop()

    assert b"".join(payload for _, payload in sorted(ether.sent)) == BLOB
    assert set(Counter(chunk for chunk, _ in ether.sent).values()) == {1}
    assert broadcast.counters()["broadcast_bytes_total"] == len(BLOB)


def test_only_what_somebody_lacks_is_sent_and_asked_for_again_it_comes_again(
    ether: Ether, broadcast: Broadcast
) -> None:
    broadcast.ask(request("cam-1", 1, 4))
    broadcast.ask(request("cam-2", 4, 5))
    broadcast.start()
    ether.wait(lambda: len(ether.sent) >= 3)

    broadcast.ask(request("cam-2", 4))

    ether.wait(lambda: len(ether.sent) >= 4)
    assert [chunk for chunk, _ in ether.sent] == [1, 4, 5, 4]


def test_the_pace_is_kept(ether: Ether) -> None:
    slow = Broadcast(Store(), ether.publish, 4 * CHUNK_BYTES, gather_s=0.0)
    began = time.monotonic()
    slow.ask(request("cam-1", 0, 1, 2))
    slow.start()

    ether.wait(lambda: len(ether.sent) >= 3)

    assert time.monotonic() - began >= 0.5
    slow.stop()


def test_a_broker_that_is_away_ends_the_blob_and_devices_ask_again(ether: Ether, broadcast: Broadcast) -> None:
    ether.up = False
    broadcast.ask(request("cam-1", *range(6)))
    broadcast.start()
    ether.wait(lambda: len(ether.sent) == 1)
    ether.up = True

    broadcast.ask(request("cam-1", 3))

    ether.wait(lambda: len(ether.sent) >= 2)
    assert ether.sent[1:] == [(3, BLOB[3 * CHUNK_BYTES : 4 * CHUNK_BYTES])]


@pytest.mark.parametrize(
    "wrong",
    [
        request("cam-1", 0, chunk=1),
        request("cam-1", 0, size=1),
        request("cam-1", 0, name="b" * 64),
        ChunkRequest("cam-1", NAME, len(BLOB), CHUNK_BYTES, "?"),
        ChunkRequest("cam-1", NAME, len(BLOB), CHUNK_BYTES, ""),
    ],
    ids=["another size of chunk", "another size of blob", "no such blob", "no bitmap", "short bitmap"],
)
def test_what_cannot_be_right_is_counted_and_sends_nothing(
    ether: Ether, broadcast: Broadcast, wrong: ChunkRequest
) -> None:
    broadcast.ask(wrong)
    broadcast.ask(request("cam-2", 5))
    broadcast.start()

    ether.wait(lambda: len(ether.sent) >= 1)

    assert [chunk for chunk, _ in ether.sent] == [5]
    assert broadcast.counters()["broadcast_refused_total"] == 1


def test_a_rate_of_0_broadcasts_nothing_and_says_so(ether: Ether) -> None:
    off = Broadcast(Store(), ether.publish, 0)

    off.ask(request("cam-1", 0))

    assert (off.chunk_bytes, off.counters()["broadcast_refused_total"]) == (0, 1)


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_twelve_devices_get_a_blob_over_a_real_broker_for_one_copy_of_it(tmp_path: Path) -> None:
    raw = random.Random(2).randbytes(3_000_000)
    store = BlobStore(tmp_path / "blobs", 1 << 30)
    store.put(name := digest_of(raw), raw)
    with contextlib.ExitStack() as parts:
        house = House(tmp_path, "mosquitto", 5, parts)
        gateway = house.gateway()
        sender = Broadcast(store, gateway.publish_chunk, 1 << 30)
        house.book.on_commit = lambda values: [sender.ask(v[1]) for v in values if _asks(v)]  # type: ignore[index,func-returns-value,misc]
        sender.start()
        parts.callback(sender.stop)
        cameras = [house.device(f"cam-{n}") for n in range(12)]
        got: dict[str, bytes] = {}

        def fetch(camera: Device) -> None:
            air, spool = Air(camera.name), Spool(tmp_path / f"spool-{camera.name}")
            air.attach(camera.link)
            with spool.object(name) as held:
                air.bring(name, len(raw), CHUNK_BYTES, held, lambda: False)
                got[camera.name] = os.pread(held.handle, len(raw), 0)

        threads = [threading.Thread(target=fetch, args=(camera,)) for camera in cameras]
        for one in threads:
            one.start()
        for one in threads:
            one.join(60)

        sent_bytes = sender.counters()["broadcast_bytes_total"]

    assert set(got.values()) == {raw}
    assert len(got) == 12
    # One copy, and what a device that asked late, or that the broker was too fast for, asked for again.
    assert len(raw) <= sent_bytes < 3 * len(raw)


def _asks(value: object) -> bool:
    return isinstance(value, tuple) and isinstance(value[1], ChunkRequest)
