from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from surefoot_agent import scrape
from surefoot_shared.errors import Invalid, SurefootError, Unreachable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@contextmanager
def speaking(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve one connection with `talk`, after the question was read."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                try:
                    talk(connection)
                except OSError:
                    return  # the reader left, which is what most of these tests want

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/metrics"
        thread.join(5)


def drip(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10_000:
        connection.send(bytes([byte]))
        time.sleep(0.02)


def flood(connection: socket.socket) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.send(b"x" * 65536)


def test_a_page_is_fetched_whole() -> None:
    with speaking(lambda c: c.sendall(OK)) as url:
        assert scrape.get(url, 2.0) == scrape.Answer(200, b"hello")


def test_a_server_that_keeps_the_connection_open_is_not_waited_for() -> None:
    left = threading.Event()

    def linger(connection: socket.socket) -> None:
        connection.sendall(OK)
        left.wait(5)

    began = time.monotonic()
    with speaking(linger) as url:
        answer = scrape.get(url, 4.0)
        left.set()

    assert answer.body == b"hello"
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("talk", "kind"),
    [
        (lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"), "unreachable"),
        (lambda c: c.sendall(b"SSH-2.0-OpenSSH\r\n"), "malformed"),
        (lambda c: c.close(), "malformed"),
        (drip, "too_slow"),
        (flood, "malformed"),
    ],
    ids=["cut", "not http", "hangs up", "drips", "floods"],
)
def test_every_bad_answer_ends_in_time_with_its_kind(talk: Callable[[socket.socket], None], kind: str) -> None:
    began = time.monotonic()

    with speaking(talk) as url, pytest.raises(SurefootError) as caught:
        scrape.get(url, 0.5)

    assert caught.value.kind == kind
    assert time.monotonic() - began < 2


def test_a_closed_port_is_unreachable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    with pytest.raises(Unreachable):
        scrape.get(f"http://127.0.0.1:{port}/", 1.0)


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "file:///etc/passwd", "127.0.0.1:80", "http:///x"])
def test_only_plain_http_addresses_are_asked(url: str) -> None:
    with pytest.raises(Invalid):
        scrape.get(url, 1.0)


def test_metrics_of_an_error_page_are_refused() -> None:
    with speaking(lambda c: c.sendall(b"HTTP/1.1 500 Oh\r\n\r\ncamera_fps 9")) as url, pytest.raises(Unreachable):
        scrape.metrics(url, 2.0)


def test_the_text_format_is_understood_line_by_line() -> None:
    text = """# HELP camera_fps Frames.
# TYPE camera_fps gauge
camera_fps 9.5
camera_fps{camera="a b",note="say \\"hi\\", {x}"} 8 1700000000000
up 1e3
broken line here now
nan_value NaN
inf_value{le="+Inf"} +Inf
no_value
"""

    series = scrape.parse(text)

    assert [(s.name, s.value) for s in series] == [("camera_fps", 9.5), ("camera_fps", 8.0), ("up", 1000.0)]
    assert series[1].labels == {"camera": "a b", "note": 'say \\"hi\\", {x}'}
    assert scrape.values(series, "camera_fps") == [9.5, 8.0]
