"""Fifty devices fetch one release: what the server sends by HTTP, by chunks over a real broker, by a site's cache."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from surefoot_agent.download.air import Air
from surefoot_shared.messages import Source
from surefoot_simulators.bench.fifty import (
    Camera,
    Payload,
    all_at_once,
    by_broker,
    by_http,
    cache_of_a_site,
    lease,
    stored,
)
from tests.agent.download.broadcaster import Broadcaster, Trick, honest
from tests.server.house import House

DEVICES = 50
CHUNK_BYTES = 32 * 1024
DICE = random.Random(50)
PAYLOAD = Payload({"bin/camera": DICE.randbytes(3_000)} | {f"lib/{n}.so": DICE.randbytes(60_000 + n) for n in range(4)})
CONTENT, RELEASE_BYTES = PAYLOAD.content, PAYLOAD.size_bytes


@contextlib.contextmanager
def broadcasting(house: House, trick: Trick = honest) -> Iterator[Broadcaster]:
    pki = house.pki
    made = Broadcaster(house.broker.host, house.broker.port, pki.ca, pki.service_cert, pki.service_key, CONTENT, trick)
    try:
        yield made
    finally:
        made.stop()


def on_the_air(house: House, folder: Path, count: int, silence_s: float = 10.0) -> list[Camera]:
    """Devices that only MQTT reaches."""
    cameras = []
    for n in range(count):
        air = Air(f"cam-{n}", silence_s)
        air.attach(house.device(f"cam-{n}").link)
        cameras.append(Camera(folder / str(n), PAYLOAD, lease(chunk_bytes=CHUNK_BYTES), air))
    return cameras


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with contextlib.ExitStack() as parts:
        yield House(tmp_path, "mosquitto", 5, parts)


def tell(way: str, sent: int) -> None:
    print(f"\n{DEVICES} devices, a release of {RELEASE_BYTES:,} bytes, by {way}: {sent:,} bytes from the server")


@pytest.mark.slow
def test_by_http_the_server_sends_it_fifty_times(tmp_path: Path) -> None:
    sent = by_http(PAYLOAD, stored(PAYLOAD, tmp_path / "store"), tmp_path, DEVICES)

    tell("HTTP", sent)
    assert sent == DEVICES * RELEASE_BYTES


@pytest.mark.slow
def test_by_one_cache_of_the_site_the_server_sends_it_once(tmp_path: Path) -> None:
    with cache_of_a_site(tmp_path / "cache") as near:
        sent = by_http(PAYLOAD, stored(PAYLOAD, tmp_path / "store"), tmp_path, DEVICES, [near])

    tell("one cache", sent)
    # Once; on a machine that is busy elsewhere a device that waited in vain fetches a piece by itself.
    assert RELEASE_BYTES <= sent <= 2 * RELEASE_BYTES


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_by_chunks_over_the_broker_the_server_sends_it_about_once(tmp_path: Path) -> None:
    sent = by_broker(PAYLOAD, stored(PAYLOAD, tmp_path / "store"), tmp_path, DEVICES)

    tell("MQTT", sent)
    assert RELEASE_BYTES <= sent <= 10 * RELEASE_BYTES  # once, and what late ones missed: never once for each


def twice(n: int, chunk: bytes) -> list[tuple[int, bytes]]:
    return [(n, chunk), (n, chunk)]


def losing() -> Trick:
    """Every third chunk gets lost, but never for ever."""
    numbers = iter(range(1, 10**9))
    return lambda n, chunk: [] if next(numbers) % 3 == 0 else [(n, chunk)]


def noisy(n: int, chunk: bytes) -> list[tuple[int, bytes]]:
    return [(n, chunk[:-1]), (n + 99_999, chunk), (n, chunk), (n, bytes(len(chunk)))]


def lying_first() -> Trick:
    """The first chunks of all hold garbage of the right size."""
    left = [2]

    def trick(n: int, chunk: bytes) -> list[tuple[int, bytes]]:
        left[0] -= 1
        return [(n, bytes(len(chunk)) if left[0] >= 0 else chunk)]

    return trick


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
@pytest.mark.parametrize("make", [lambda: twice, losing, lambda: noisy], ids=["twice", "losing", "noisy"])
def test_a_rude_sender_only_costs_time(house: House, tmp_path: Path, make: Callable[[], Trick]) -> None:
    with broadcasting(house, make()) as sender:
        cameras = on_the_air(house, tmp_path, 3, silence_s=1.0)
        all_at_once(cameras)

    assert sender.questions >= 3


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_chunks_of_garbage_are_not_believed_but_asked_for_again(house: House, tmp_path: Path) -> None:
    with broadcasting(house, lying_first()):
        (camera,) = on_the_air(house, tmp_path, 1, silence_s=1.0)
        camera.update()

    assert camera.is_whole


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_a_device_whose_sources_are_all_dead_hears_the_release_over_mqtt(house: House, tmp_path: Path) -> None:
    with broadcasting(house) as sender:
        (camera,) = on_the_air(house, tmp_path, 1)
        camera.lease = lease(Source("http://127.0.0.1:9/blobs/", "t"), chunk_bytes=CHUNK_BYTES)
        camera.update()

    assert camera.is_whole
    assert sender.sent == RELEASE_BYTES


@pytest.mark.slow
@pytest.mark.needs("mosquitto")
def test_chunks_are_heard_again_after_the_broker_died(house: House, tmp_path: Path) -> None:
    cam, heard = house.device("cam-1"), threading.Event()
    cam.link.listen("a" * 64, lambda n, chunk: heard.set() if (n, chunk) == (7, b"chunk") else None)
    before = len(cam.events)
    house.kill_broker()
    cam.wait_until(lambda: any(type(e).__name__ == "Connected" for e in cam.events[before:]))

    with broadcasting(house) as sender:
        sender._client.publish(f"surefoot/v1/blobs/{'a' * 64}/7", b"chunk", qos=1)
        assert heard.wait(20)
