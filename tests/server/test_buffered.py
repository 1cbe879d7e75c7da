"""Large pieces below, small ones above."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from surefoot_server import buffered
from surefoot_server.buffered import BufferedSocket


@pytest.fixture
def ends() -> Iterator[tuple[BufferedSocket, socket.socket]]:
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        yield BufferedSocket(near), far


def test_whole_messages_are_taken_and_other_packets_left_for_the_client(
    ends: tuple[BufferedSocket, socket.socket],
) -> None:
    near, far = ends
    far.sendall(b"\x32\x03abc" + b"\x30\x00" + b"\x40\x02\x00\x07" + b"\x32\xc8\x01" + b"x" * 199)
    near.fill()

    assert (near.published(), near.published(), near.published()) == ((0x32, b"abc"), (0x30, b""), None)
    assert near.for_others()
    assert (near.recv(1), near.recv(1), near.recv(5)[:2]) == (b"\x40", b"\x02", b"\x00\x07")


def test_a_message_behind_another_packet_is_never_the_clients(ends: tuple[BufferedSocket, socket.socket]) -> None:
    near, far = ends
    far.sendall(b"\x40\x02\x00\x07" + b"\x32\x01a")
    near.fill()

    assert (near.recv(1), near.recv(1), near.recv(100)) == (b"\x40", b"\x02", b"\x00\x07")
    with pytest.raises(BlockingIOError):
        near.recv(1)
    assert near.published() == (0x32, b"a")


def test_the_client_is_given_nothing_that_was_not_read_ahead(ends: tuple[BufferedSocket, socket.socket]) -> None:
    near, far = ends
    far.sendall(b"\x40\x02\x00\x07")
    near.fill()
    far.sendall(b"\x32\x01a" + b"\x40\x02\x00\x08")

    assert near.recv(4) == b"\x40\x02\x00\x07"
    with pytest.raises(BlockingIOError):
        near.recv(1)
    near.fill()
    assert near.published() == (0x32, b"a")
    assert near.recv(4) == b"\x40\x02\x00\x08"


def test_a_message_that_is_cut_waits_for_its_rest(ends: tuple[BufferedSocket, socket.socket]) -> None:
    near, far = ends
    for piece in (b"\x32", b"\xc8", b"\x01", b"x" * 199):
        far.sendall(piece)
        near.fill()
        assert near.published() is None
        assert not near.for_others()
    far.sendall(b"x")
    near.fill()

    assert near.published() == (0x32, b"x" * 200)


def test_the_end_is_shown_after_the_last_message(ends: tuple[BufferedSocket, socket.socket]) -> None:
    near, far = ends
    far.sendall(b"\x32\x01a")
    far.close()
    near.fill()

    assert near.published() == (0x32, b"a")
    assert near.for_others()
    assert near.recv(1) == b""


def test_no_more_is_read_ahead_than_is_good(
    ends: tuple[BufferedSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffered, "FILL_BYTES", 4)
    near, far = ends
    far.sendall(b"\x32\x04abcd")
    near.fill()

    assert near.full()
    assert near.published() == (0x32, b"abcd")
    assert not near.full()


def test_without_reading_ahead_it_is_a_socket(ends: tuple[BufferedSocket, socket.socket]) -> None:
    near, far = ends
    far.sendall(b"abcdef")

    assert (near.recv(1), near.recv(2), near.recv(100)) == (b"a", b"bc", b"def")
    with pytest.raises(BlockingIOError):
        near.recv(1)
    far.close()
    assert near.recv(1) == near.recv(1) == b""


def test_what_is_sent_waits_for_the_flush_and_keeps_its_order(ends: tuple[BufferedSocket, socket.socket]) -> None:
    near, far = ends

    assert (near.send(b"ab"), near.send(b"c")) == (2, 1)
    assert near.unsent()
    near.flush()

    assert far.recv(10) == b"abc"
    assert not near.unsent()


def test_what_the_other_side_does_not_take_stays(ends: tuple[BufferedSocket, socket.socket]) -> None:
    near, far = ends
    size = 8 << 20
    near.send(b"x" * size)
    near.flush()
    assert near.unsent()

    got = 0
    while got < size:
        got += len(far.recv(1 << 20))
        near.flush()

    assert not near.unsent()


def test_a_broken_connection_is_an_error(ends: tuple[BufferedSocket, socket.socket]) -> None:
    near, far = ends
    far.close()
    near.send(b"x")

    with pytest.raises(OSError):
        near.flush()


def test_it_is_polled_by_its_own_number_and_closed_with_it(ends: tuple[BufferedSocket, socket.socket]) -> None:
    near, far = ends
    near.setblocking(True)
    assert near.fileno() >= 0
    near.send(b"goodbye")

    near.close()

    assert near.fileno() == -1
    assert far.recv(10) == b"goodbye"
