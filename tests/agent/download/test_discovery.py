from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from surefoot_agent.download import discovery
from surefoot_agent.download.discovery import SERVICE, Responder, answer, asks, port_in, question

GROUP, URL = "239.255.77.77", "http://127.0.0.1:8047/blobs/"


@contextmanager
def _answering() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    responder = Responder(8047, (GROUP, port), ("lo",))
    try:
        yield port
    finally:
        responder.stop()


def test_a_cache_that_answers_on_this_network_is_found() -> None:
    with _answering() as port:
        assert list(discovery.look(20.0, (GROUP, port), ("lo",), answers=1)) == [URL]


def test_networks_that_multicast_are_asked_and_the_device_itself_only_where_there_is_none(tmp_path: Path) -> None:
    up, lo, multicast = discovery.UP, discovery.LOOPBACK, discovery.MULTICAST
    for name, flags in {"lo": up | lo, "eth0": up | multicast, "wwan0": up, "eth1": multicast}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "flags").write_text(f"{flags:#x}\n")
    (tmp_path / "gone").mkdir()
    assert discovery.networks(tmp_path) == ("eth0",)

    (tmp_path / "eth0" / "flags").write_text(f"{multicast:#x}\n")
    assert discovery.networks(tmp_path) == ("lo",)


def test_the_kernel_tells_of_its_interfaces() -> None:
    assert discovery._flags(discovery.INTERFACES / "lo") & discovery.LOOPBACK
    assert discovery.networks()


def test_a_network_that_went_does_not_keep_the_others_from_being_asked() -> None:
    with _answering() as port:
        assert list(discovery.look(20.0, (GROUP, port), ("not-there-at-1", "lo"), answers=1)) == [URL]
    assert discovery.look(0.05, (GROUP, 9), ("not-there-at-1",)) == ()


def test_where_nobody_answers_nothing_is_found_and_nobody_waits_long() -> None:
    assert discovery.look(0.05, (GROUP, 9), ("lo",)) == ()


def test_only_the_question_for_caches_is_answered() -> None:
    assert asks(question())
    assert not asks(question().replace(b"surefoot-cache", b"something-else"))
    assert not asks(answer(b"\0\0", 1))


def test_the_port_of_an_answer_is_found() -> None:
    assert port_in(answer(b"\0\7", 8047)) == 8047
    assert port_in(question()) is None


def test_an_answer_with_pointers_as_other_responders_write_it_is_read() -> None:
    name = b"".join(bytes([len(part)]) + part.encode() for part in SERVICE.split(".")) + b"\0"
    head = struct.pack(">6H", 0, 0x8400, 0, 1, 0, 1)
    instance = b"\x03box" + struct.pack(">H", 0xC000 | 12)
    ptr = name + struct.pack(">2HIH", 12, 1, 120, len(instance)) + instance
    at = len(head) + len(name) + 10
    srv_data = struct.pack(">3H", 0, 0, 9000) + b"\x03box\x05local\0"
    srv = struct.pack(">H", 0xC000 | at) + struct.pack(">2HIH", 33, 0x8001, 120, len(srv_data)) + srv_data

    assert port_in(head + ptr + srv) == 9000


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\0" * 12,
        answer(b"\0\0", 8047)[:-20],
        struct.pack(">6H", 0, 0x8400, 0, 9, 0, 0) + b"\xc0\x0c" * 20,
        struct.pack(">6H", 0, 0x8400, 65535, 65535, 0, 0) + b"\x01a" * 200,
    ],
)
def test_a_malformed_packet_says_nothing(packet: bytes) -> None:
    assert port_in(packet) is None
    assert not asks(packet)


def test_noise_says_nothing_and_ends() -> None:
    dice = random.Random(5)
    for _ in range(300):
        spoilt = bytearray(answer(b"\0\0", 8047))
        for _ in range(dice.randint(1, 8)):
            spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
        port_in(bytes(spoilt))
        assert asks(bytes(spoilt)) in (True, False)


def test_an_address_from_outside_is_not_taken_for_one_of_the_site() -> None:
    assert discovery._is_near("192.168.1.9")
    assert not discovery._is_near("8.8.8.8")
