"""Artifacts over plain HTTP: by token and name, whole or in part, and nothing else."""

from __future__ import annotations

import http.client
import random
import socket
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from surefoot_server import outlet
from surefoot_server.listeners import take_port
from surefoot_server.outlet import Found, Outlet
from surefoot_server.releases.leases import LeaseTokens
from surefoot_shared.errors import NotFound

NAME = "a" * 64
CONTENT = random.Random(1).randbytes(3_000_000)
NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
LEASES = LeaseTokens(b"k" * 32, 600.0)
TOKEN = LEASES.mint("cam-1", NOW)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    (tmp_path / NAME).write_bytes(CONTENT)

    def find(name: str) -> Found:
        if name != NAME:
            raise NotFound("not_found", "There is no such blob.")
        return Found(tmp_path / name, f'"{name}"')

    taken = take_port("127.0.0.1", 0, "artifacts")
    serving = Outlet(taken, find, lambda token: LEASES.check(token, NOW), connections=3)
    serving.start()
    yield int(taken.getsockname()[1])
    serving.stop()


def ask(
    port: int, path: str = f"/{TOKEN}/{NAME}", method: str = "GET", **headers: str
) -> tuple[int, bytes, http.client.HTTPResponse]:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    line.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    reply = line.getresponse()
    body = reply.read()
    line.close()
    return reply.status, body, reply


def test_a_blob_comes_whole_with_its_digest_as_etag(port: int) -> None:
    status, body, reply = ask(port)

    assert (status, body == CONTENT, reply.headers["ETag"]) == (200, True, f'"{NAME}"')


def test_a_range_comes_alone_and_one_meant_for_other_content_does_not(port: int) -> None:
    status, body, reply = ask(port, Range="bytes=1000000-2500000", If_Range=f'"{NAME}"')

    assert (status, body == CONTENT[1_000_000:2_500_001]) == (206, True)
    assert reply.headers["Content-Range"] == "bytes 1000000-2500000/3000000"
    assert ask(port, Range="bytes=1000000-", If_Range='"old"')[0] == 200
    assert ask(port, Range="bytes=3000000-")[:2] == (416, b"")


def test_a_head_says_the_size_and_sends_nothing(port: int) -> None:
    status, body, reply = ask(port, method="HEAD")

    assert (status, body, reply.headers["Content-Length"]) == (200, b"", "3000000")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/forged.token/{NAME}", 403),
        (f"/{LEASES.mint('cam-1', datetime(2020, 1, 1, tzinfo=timezone.utc))}/{NAME}", 403),
        (f"/{TOKEN}/{'b' * 64}", 404),
        (f"/{TOKEN}/../secrets/lease.key", 404),
        (f"/{TOKEN}", 404),
        ("/", 403),
    ],
    ids=["forged", "ended", "no such blob", "path", "no name", "nothing"],
)
def test_without_a_lease_or_a_blobs_name_nothing_comes(port: int, path: str, status: int) -> None:
    assert ask(port, path)[:2] == (status, b"")


def test_other_methods_are_refused(port: int) -> None:
    assert ask(port, method="DELETE")[0] == 405


def test_one_connection_brings_many_blobs(port: int) -> None:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    bodies = []
    for begin in range(5):
        line.request("GET", f"/{TOKEN}/{NAME}", headers={"Range": f"bytes={begin}-{begin}"})
        bodies.append(line.getresponse().read())

    assert bodies == [CONTENT[n : n + 1] for n in range(5)]
    line.close()


def test_more_connections_than_are_served_are_told_when_to_come_back(port: int) -> None:
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
    for line in held:
        line.sendall(f"GET /{TOKEN}/{NAME} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert line.recv(12) == b"HTTP/1.1 200"

    status, _, reply = ask(port)

    assert (status, reply.headers["Retry-After"]) == (503, str(outlet.BUSY_S))
    for line in held:
        line.close()


def test_a_request_that_never_ends_is_cut(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "REQUEST_S", 0.1)
    line = socket.create_connection(("127.0.0.1", port), timeout=20)
    line.sendall(b"GET / HTTP/1.1\r\nX: ")

    with pytest.raises(ConnectionResetError):
        line.recv(1) or (_ for _ in ()).throw(ConnectionResetError())
    line.close()


@pytest.mark.parametrize("raw", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 9000])
def test_what_is_no_http_ends_the_connection_and_nothing_else(port: int, raw: bytes) -> None:
    line = socket.create_connection(("127.0.0.1", port), timeout=20)
    try:
        line.sendall(raw + b"\r\n\r\n")
        line.recv(100)
    except OSError:
        assert True
    line.close()

    assert ask(port)[0] == 200
