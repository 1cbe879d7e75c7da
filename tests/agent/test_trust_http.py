"""Metadata over HTTP: whole, in time, or a download error and nothing else."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError

from surefoot_agent.trust_http import HttpFetcher


@contextmanager
def answering(*parts: bytes, every_s: float = 0.0) -> Iterator[str]:
    """A server that says these bytes to its first caller, one after the other, whatever was asked."""
    server = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            try:
                for part in parts:
                    connection.sendall(part)
                    done.wait(every_s)
            except OSError:
                return  # the caller has hung up

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/x.json"
    finally:
        done.set()
        server.close()
        thread.join(timeout=5)


def test_a_file_is_fetched_whole() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", b"llo") as url:
        assert HttpFetcher().download_bytes(url, 100) == b"hello"


def test_a_file_that_is_not_there_is_told_by_its_status() -> None:
    with (
        answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as url,
        pytest.raises(DownloadHTTPError) as caught,
    ):
        HttpFetcher().download_bytes(url, 100)

    assert caught.value.status_code == 404


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut off",
    ],
    ids=["nothing", "nonsense", "redirect", "cut off"],
)
def test_any_other_failure_is_a_download_error(answer: bytes) -> None:
    with answering(answer) as url, pytest.raises(DownloadError):
        HttpFetcher().download_bytes(url, 100)


def test_a_file_that_has_no_end_is_cut_at_the_limit() -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000
    with answering(endless) as url, pytest.raises(DownloadLengthMismatchError):
        HttpFetcher().download_bytes(url, 1000)


def test_a_server_that_trickles_is_left_in_time() -> None:
    began = time.monotonic()
    drops = (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", *[b"x"] * 500)
    with answering(*drops, every_s=0.05) as url, pytest.raises(DownloadError):
        HttpFetcher(file_s=0.5).download_bytes(url, 1000)

    assert time.monotonic() - began < 5
