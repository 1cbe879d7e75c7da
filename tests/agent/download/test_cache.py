"""The cache of a site over real sockets: honest askers, rude ones, and devices that download through it."""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_agent.config import Settings
from surefoot_agent.download import cache
from surefoot_agent.download.cache import Server
from surefoot_agent.download.shelf import Shelf
from surefoot_agent.slots.directory import DirectorySlots
from surefoot_shared.errors import ConfigError
from surefoot_shared.messages import Source
from surefoot_shared.release import digest_of
from tests.agent.download import sources
from tests.agent.download.devices import NEW, OLD, OLD_MANIFEST, A, B, Device, content, delta, lease
from tests.agent.download.sources import serving
from tests.agent.trees import install, snapshot

CONTENT = random.Random(6).randbytes(100_000)
NAME = digest_of(CONTENT)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Shelf(tmp_path / "cache", 10_000_000))
    thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def source(server: Server) -> Source:
    return Source(f"http://127.0.0.1:{server.server_address[1]}/blobs/", "")


def ask(
    server: Server, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    try:
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def put(server: Server, content: bytes = CONTENT, name: str = NAME) -> int:
    return ask(server, "PUT", f"/blobs/{name}", content)[0]


def test_a_small_object_does_not_wait_for_the_other_sides_acknowledgement(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    class Watched(cache.Handler):
        def do_GET(self) -> None:
            seen.append(self.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            super().do_GET()

    monkeypatch.setattr(server, "RequestHandlerClass", Watched)

    ask(server, "GET", f"/blobs/{NAME}")

    assert seen == [1]


def test_one_brings_it_and_everybody_has_it(server: Server) -> None:
    assert ask(server, "GET", f"/blobs/{NAME}")[0] == 404
    waits = ask(server, "GET", f"/blobs/{NAME}")
    assert (waits[0], waits[2]["Retry-After"]) == (503, "1")

    assert put(server) == 201

    assert ask(server, "GET", f"/blobs/{NAME}")[:2] == (200, CONTENT)


@pytest.mark.parametrize(
    ("asked", "status", "got"),
    [
        ("bytes=5-9", 206, slice(5, 10)),
        ("bytes=99000-", 206, slice(99_000, None)),
        ("bytes=99999-200000", 206, slice(99_999, None)),
        ("bytes=100000-", 416, slice(0)),
        ("bytes=9-5", 416, slice(0)),
        ("bytes=-5", 200, slice(None)),
    ],
)
def test_ranges_are_as_they_were_asked_for(server: Server, asked: str, status: int, got: slice) -> None:
    ask(server, "GET", f"/blobs/{NAME}")
    put(server)

    answer = ask(server, "GET", f"/blobs/{NAME}", Range=asked)

    assert answer[:2] == (status, CONTENT[got])
    assert answer[2]["ETag"] == f'"{NAME}"'


def test_a_head_has_no_body(server: Server) -> None:
    ask(server, "GET", f"/blobs/{NAME}")
    put(server)

    status, body, headers = ask(server, "HEAD", f"/blobs/{NAME}")

    assert (status, body, headers["Content-Length"]) == (200, b"", str(len(CONTENT)))


@pytest.mark.parametrize(
    "path", ["/", "/blobs/", "/blobs/../../etc/passwd", "/blobs/%2e%2e/x", f"/other/{NAME}", f"/blobs/{NAME}.zst"]
)
def test_what_is_no_object_is_not_there(server: Server, path: str) -> None:
    assert ask(server, "GET", path)[0] == 404
    assert ask(server, "PUT", path, b"x")[0] == 404


def test_what_it_is_not_asked_for_or_not_as_named_is_refused(server: Server) -> None:
    assert put(server) == 409
    ask(server, "GET", f"/blobs/{NAME}")
    assert put(server, CONTENT[:-1]) == 422
    assert ask(server, "GET", f"/blobs/{NAME}")[0] == 404
    assert ask(server, "DELETE", f"/blobs/{NAME}")[0] == 501


@pytest.mark.slow
def test_one_connection_too_many_is_closed_and_the_others_live(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    held = [socket.create_connection(server.server_address[:2]) for _ in range(cache.CONNECTIONS)]
    try:
        with socket.create_connection(server.server_address[:2]) as one_more:
            one_more.settimeout(10)
            assert one_more.recv(1) == b""
    finally:
        for connection in held:
            connection.close()


@pytest.mark.slow
def test_the_uplink_carries_it_once_for_all_devices_of_a_site(server: Server, tmp_path: Path) -> None:
    made = delta()
    devices = [Device(tmp_path / str(n), caches=[source(server)]) for n in range(4)]
    with serving(content(made)) as origin:
        given = lease(origin, packs=[made.offer])
        threads = [threading.Thread(target=device.fill, args=(given,)) for device in devices]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    assert [snapshot(device.slots.path(B)) == NEW for device in devices] == [True] * 4
    assert [asked.sha256 for asked in origin.asked] == [made.offer.sha256]


@pytest.mark.slow
def test_single_files_go_through_the_cache_too(server: Server, tmp_path: Path) -> None:
    with serving(content()) as origin:
        for n in range(2):
            device = Device(tmp_path / str(n), caches=[source(server)], old=False)
            device.fill(lease(origin))
            assert snapshot(device.slots.path(B)) == NEW

    assert len(origin.asked) == len({digest_of(raw) for raw in NEW.values()})


@pytest.mark.slow
@pytest.mark.parametrize("trick", [sources.garbage, sources.status(500), sources.trickling, sources.closing_after(9)])
def test_a_cache_that_lies_or_fails_is_left_for_the_source(tmp_path: Path, trick: sources.Trick) -> None:
    made = delta()
    with serving(content(made), trick) as bad, serving(content(made)) as origin:
        device = Device(tmp_path, caches=[Source(bad.url, "")], hurry=True)
        device.fill(lease(origin, packs=[made.offer]))

    assert snapshot(device.slots.path(B)) == NEW


@pytest.mark.slow
def test_a_cache_that_is_not_there_costs_one_question(tmp_path: Path) -> None:
    made = delta()
    with socket.socket() as probe, serving(content(made)) as origin:
        probe.bind(("127.0.0.1", 0))
        gone = Source(f"http://127.0.0.1:{probe.getsockname()[1]}/blobs/", "")
        device = Device(tmp_path, caches=[gone])
        device.fill(lease(origin, packs=[made.offer]))

    assert snapshot(device.slots.path(B)) == NEW


@contextlib.contextmanager
def configured(settings: Settings) -> Iterator[Server]:
    server = cache.server_of(settings)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_files_of_this_devices_own_slots_are_served(tmp_path: Path) -> None:
    install(DirectorySlots(tmp_path / "app"), A, OLD_MANIFEST, OLD)
    with configured(Settings(state_dir=tmp_path, cache_listen="127.0.0.1:0")) as server:
        answer = ask(server, "GET", f"/blobs/{digest_of(OLD['lib/one.so'])}")

    assert answer[:2] == (200, OLD["lib/one.so"])


def test_a_site_with_ipv6_alone_has_a_cache_too(tmp_path: Path) -> None:
    with (
        configured(Settings(state_dir=tmp_path, cache_listen="[::1]:0")) as server,
        socket.create_connection(("::1", int(server.server_address[1])), timeout=10) as line,
    ):
        line.sendall(b"HEAD /blobs/ HTTP/1.1\r\nConnection: close\r\n\r\n")
        answer = line.recv(12)

    assert answer == b"HTTP/1.1 404"


def test_what_the_device_keeps_free_is_not_taken_by_its_cache(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, cache_listen="127.0.0.1:0", reserve_bytes=1 << 40)
    with configured(settings) as server:
        asked = ask(server, "GET", f"/blobs/{NAME}")[0]

        assert [asked, put(server)] == [404, 507]


def test_an_address_that_is_taken_is_told_in_one_sentence(server: Server, tmp_path: Path) -> None:
    taken = Settings(state_dir=tmp_path, cache_listen=f"127.0.0.1:{server.server_address[1]}")

    with pytest.raises(ConfigError) as caught:
        cache.server_of(taken)

    assert caught.value.kind == "port_in_use"
