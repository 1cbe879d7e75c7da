"""Chunks over MQTT from senders of every kind: honest, forgetful, repeating, lying, mute."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from surefoot_agent.download import air
from surefoot_agent.download.air import Air, in_a_row
from surefoot_agent.download.spool import Spool
from surefoot_shared import pack, wire
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.messages import ChunkRequest
from surefoot_shared.release import digest_of

CHUNK = 1000
CONTENT = random.Random(8).randbytes(23_456)
NAME, COUNT = digest_of(CONTENT), 24
Send = Callable[[int, bytes], None]
Manner = Callable[["Sender", list[int], Send], None]


class Sender:
    """Both ends of an ether: it answers each question at once, on a thread of its own, in its manner."""

    def __init__(self, manner: Manner) -> None:
        self.manner, self.asked, self.takes = manner, list[list[int]](), dict[str, Send]()
        self.sent = 0

    def listen(self, sha256: str, take: Send) -> None:
        self.takes[sha256] = take

    def deafen(self, sha256: str) -> None:
        del self.takes[sha256]

    def publish(self, what: str, payload: bytes) -> bool:
        request = wire.decode(ChunkRequest, payload)
        missing = list(pack.parse_bitmap(request.missing, COUNT))
        self.asked.append(missing)

        def send(n: int, chunk: bytes) -> None:
            self.sent += 1
            take = self.takes.get(request.sha256)
            if take is not None:
                take(n, chunk)

        threading.Thread(target=self.manner, args=(self, missing, send), daemon=True).start()
        return what == "chunks"


def chunk(n: int) -> bytes:
    return CONTENT[n * CHUNK : (n + 1) * CHUNK]


def honest(_sender: Sender, missing: list[int], send: Send) -> None:
    for n in missing:
        send(n, chunk(n))


def backwards_and_twice(_sender: Sender, missing: list[int], send: Send) -> None:
    for n in reversed(missing):
        send(n, chunk(n))
        send(n, chunk(n))


def forgetful(sender: Sender, missing: list[int], send: Send) -> None:
    for n in missing:
        if (n + len(sender.asked)) % 3:
            send(n, chunk(n))


def with_noise(_sender: Sender, missing: list[int], send: Send) -> None:
    for n in missing:
        send(n, b"short")
        send(n, bytes(CHUNK + 1))
        send(n + 5000, chunk(n))
        send(n, chunk(n))


def mute(_sender: Sender, _missing: list[int], _send: Send) -> None:
    return


def lying(_sender: Sender, missing: list[int], send: Send) -> None:
    for n in missing:
        send(n, bytes(len(chunk(n))))


def bring(folder: Path, sender: Sender, stop: Callable[[], bool] = lambda: False) -> bytes:
    made = Air("cam-1", silence_s=0.1, rounds=3)
    made.attach(sender)
    with Spool(folder).object(NAME) as held:
        made.bring(NAME, len(CONTENT), CHUNK, held, stop)
        return (folder / NAME).read_bytes()


@pytest.mark.parametrize("manner", [honest, backwards_and_twice, forgetful, with_noise])
def test_the_object_becomes_whole_whatever_order_it_comes_in(tmp_path: Path, manner: Manner) -> None:
    sender = Sender(manner)

    assert bring(tmp_path, sender) == CONTENT
    assert sender.takes == {}


def test_only_what_is_missing_is_asked_for_again(tmp_path: Path) -> None:
    sender = Sender(forgetful)

    bring(tmp_path, sender)

    assert sender.asked[0] == list(range(COUNT))
    assert sender.asked[1] == [n for n in range(COUNT) if (n + 1) % 3 == 0]


def test_what_came_is_remembered_after_a_death(tmp_path: Path) -> None:
    def half(_sender: Sender, missing: list[int], send: Send) -> None:
        for n in missing:
            if n % 2:
                send(n, chunk(n))

    with pytest.raises(Unreachable):
        bring(tmp_path, Sender(half))
    sender = Sender(honest)

    assert bring(tmp_path, sender) == CONTENT
    assert sender.asked == [list(range(0, COUNT, 2))]


def test_what_another_source_brought_is_not_asked_for(tmp_path: Path) -> None:
    with Spool(tmp_path).object(NAME) as held:
        held.append(CONTENT[:5_500])
    sender = Sender(honest)

    assert bring(tmp_path, sender) == CONTENT
    assert sender.asked == [list(range(5, COUNT))]


def test_another_source_goes_on_where_the_first_hole_is(tmp_path: Path) -> None:
    def holes(_sender: Sender, missing: list[int], send: Send) -> None:
        for n in {*missing} - {4, 9}:
            send(n, chunk(n))

    with pytest.raises(Unreachable):
        bring(tmp_path, Sender(holes))
    with Spool(tmp_path).object(NAME) as held:
        in_a_row(held)
        assert (held.size_bytes, held.mark()) == (4 * CHUNK, "")
        in_a_row(held)
        assert held.size_bytes == 4 * CHUNK


@pytest.mark.parametrize("mark", ["[]", "{}", '{"chunk_bytes": 7, "count": 1, "have": ""}', "\x00", "[" * 5000])
def test_a_note_that_cannot_be_read_says_nothing(tmp_path: Path, mark: str) -> None:
    with Spool(tmp_path).object(NAME) as held:
        held.append(bytes(3 * CHUNK))
        held.set_mark(mark)

    assert bring(tmp_path, Sender(honest)) == CONTENT


def test_where_nobody_sends_it_is_given_up(tmp_path: Path) -> None:
    sender = Sender(mute)
    with pytest.raises(Unreachable, match="Nobody"):
        bring(tmp_path, sender)

    assert len(sender.asked) == 3


def test_a_stop_is_obeyed_and_what_came_is_kept(tmp_path: Path) -> None:
    sender = Sender(lambda _sender, missing, send: send(3, chunk(3)))
    with pytest.raises(InstallFailed) as caught:
        bring(tmp_path, sender, lambda: sender.sent > 0)

    assert caught.value.kind == "cancelled_by_order"


def test_a_flood_is_dropped_and_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(air, "WAITING", 8)
    sender = Sender(honest)

    assert bring(tmp_path, sender) == CONTENT


@pytest.mark.parametrize("chunk_bytes", [0, -1, 1 << 30])
def test_chunks_of_an_absurd_size_are_not_asked_for(tmp_path: Path, chunk_bytes: int) -> None:
    made = Air("cam-1")
    made.attach(Sender(honest))
    with Spool(tmp_path).object(NAME) as held, pytest.raises(Unreachable):
        made.bring(NAME, len(CONTENT), chunk_bytes, held, lambda: False)


def test_without_a_broker_there_is_no_air(tmp_path: Path) -> None:
    with Spool(tmp_path).object(NAME) as held, pytest.raises(Unreachable):
        Air("cam-1").bring(NAME, len(CONTENT), CHUNK, held, lambda: False)
