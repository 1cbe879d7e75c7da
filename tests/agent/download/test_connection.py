from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from surefoot_agent.download.connection import Line, make_pool, watched
from surefoot_shared.errors import ConfigError


def test_a_cut_ends_a_read_that_waits_for_ever() -> None:
    line = Line()
    near, far = socket.socketpair()
    with near, far:
        line.hold(near)
        threading.Timer(0.05, line.cut).start()

        assert near.recv(1) == b""
    assert line.was_cut


def test_a_socket_that_comes_after_the_cut_is_cut_at_once() -> None:
    line = Line()
    line.cut()
    near, far = socket.socketpair()
    with near, far:
        line.hold(near)

        assert near.recv(1) == b""


def test_cutting_a_closed_socket_or_none_is_harmless() -> None:
    line = Line()
    line.cut()
    near, far = socket.socketpair()
    line.hold(near)
    near.close()
    far.close()

    line.cut()

    assert near.fileno() == -1


def test_the_watch_cuts_only_when_it_is_over() -> None:
    line = Line()
    near, far = socket.socketpair()
    with near, far:
        line.hold(near)
        with watched(line, lambda: False):
            far.send(b"x")
            assert near.recv(1) == b"x"

    assert not line.was_cut


def test_a_new_watch_begins_uncut() -> None:
    line = Line()
    line.cut()

    with watched(line, lambda: False):
        assert not line.was_cut


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_an_unreadable_ca_is_the_operators_to_mend(tmp_path: Path, content: bytes | None) -> None:
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_bytes(content)

    with pytest.raises(ConfigError, match=r"ca\.pem"):
        make_pool(ca, Line(), 1.0, 1.0)
