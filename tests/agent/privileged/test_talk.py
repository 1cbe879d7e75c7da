from __future__ import annotations

import socket
import struct

import pytest

from surefoot_agent.ports import Piece
from surefoot_agent.privileged.talk import Gone, Reply, Request, Verb, Wire
from surefoot_shared import wire
from surefoot_shared.errors import Invalid


def pair() -> tuple[Wire, Wire]:
    here, there = socket.socketpair()
    for end in (here, there):
        end.settimeout(5)
    return Wire(here), Wire(there)


def test_a_frame_arrives_as_it_was_sent_and_an_empty_one_ends_a_file() -> None:
    here, there = pair()
    for part in (b"one", b"two", b""):
        here.send(part)

    assert list(there.chunks()) == [b"one", b"two"]


def test_a_frame_larger_than_its_reader_allows_is_not_read() -> None:
    here, there = pair()
    here.send(b"x" * 100)

    with pytest.raises(Gone, match="100 bytes where 99"):
        there.receive(99)


def test_a_frame_that_stops_in_the_middle_is_an_end() -> None:
    near, far = socket.socketpair()
    near.sendall(struct.pack(">I", 10) + b"half")
    near.close()

    with pytest.raises(Gone):
        Wire(far).receive(100)


@pytest.mark.parametrize(
    "changes",
    [
        {"component": "../app"},
        {"piece": Piece("/etc/passwd", "0" * 64, 1, 0, 1)},
        {"piece": Piece("a/../../b", "0" * 64, 1, 0, 1)},
        {"piece": Piece("a", "short", 1, 0, 1)},
        {"piece": Piece("a", "0" * 64, 1, 0, 2)},
        {"digest": "short"},
        {"reason": "x" * 401},
        {"sizes": (1,) * 100},
        {"attempt": -1},
        {"number": 70_000},
        {"budget_s": -1.0},
        {"budget_s": 1e9},
        {"max_starts": 0},
    ],
    ids=str,
)
def test_a_request_out_of_its_bounds_cannot_be_built(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):  # each field says its own
        Request(**{"verb": Verb.BEGIN, "component": "app", **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b'{"verb":"format","component":"app"}',
        b'{"verb":"lock","component":"app","v":2}',
        b'{"verb":"lock","component":7}',
    ],
)
def test_what_is_no_request_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid):
        wire.decode(Request, raw)


def test_both_directions_survive_their_bytes() -> None:
    request = Request(Verb.WRITE, "app", piece=Piece("bin/run", "0" * 64, 9, 0, 9))
    reply = Reply(offset=7, text="ok")

    assert wire.decode(Request, wire.encode(request)) == request
    assert wire.decode(Reply, wire.encode(reply)) == reply
