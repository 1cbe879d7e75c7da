from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot_agent.download.meter import Meter
from surefoot_agent.download.pour import Continued, Cursor, Pour
from surefoot_agent.slots.image import ImageSlots
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.status import SlotName
from tests.agent.images import BLOCK, CHUNK_BLOCKS, image_release, two_devices

B = SlotName.B
CONTENT = bytes(range(1, 256)) * 200
IMAGE = image_release((CONTENT * 3)[: BLOCK * CHUNK_BLOCKS * 2])


def cursor(content: bytes, at: int = 0) -> Cursor:
    return Cursor(at, (content[begin : begin + 1000] for begin in range(0, len(content), 1000)))


def test_a_cursor_passes_over_what_is_not_asked_for() -> None:
    read = cursor(CONTENT)

    assert b"".join(read.read(10, 20)) == CONTENT[10:20]
    assert b"".join(read.read(5_000, 7_500)) == CONTENT[5_000:7_500]


def test_a_cursor_does_not_go_back() -> None:
    read = cursor(CONTENT, at=100)

    with pytest.raises(InstallFailed):
        list(read.read(99, 200))


def test_a_stream_that_ends_says_that_another_may_go_on() -> None:
    read, got = cursor(CONTENT[:1500]), bytearray()

    def take() -> None:
        for chunk in read.read(0, 2000):
            got.extend(chunk)

    with pytest.raises(Continued):
        take()
    assert bytes(got) == CONTENT[:1500]


class Filling:
    """An image slot that was begun, and what pours into it."""

    def __init__(self, root: Path) -> None:
        self.slots = ImageSlots(root / "rootfs", two_devices(root, len(IMAGE.content)))
        self.slots.begin(B, IMAGE.manifest, IMAGE.raw)
        self.missing = list(self.slots.missing(B))
        self.said: list[str] = []
        meter = Meter(len(IMAGE.content), len(IMAGE.content), lambda *_: None)
        self.pour = Pour(self.slots, B, meter, self.said.append)

    def of(self, chunk: int) -> list[bytes]:
        return [IMAGE.content[chunk * BLOCK * CHUNK_BLOCKS : (chunk + 1) * BLOCK * CHUNK_BLOCKS]]

    def stream(self, chunk: int) -> Iterator[bytes]:
        return iter(self.of(chunk))


@pytest.fixture
def filling(tmp_path: Path) -> Filling:
    return Filling(tmp_path)


def test_the_first_block_of_an_image_is_kept_and_written_last(filling: Filling) -> None:
    for chunk in (0, 1):
        pieces = [piece for piece in filling.missing if piece.chunk == chunk]
        assert filling.pour.into(pieces, Cursor(0, filling.stream(chunk)))
    device = filling.slots.path(B)
    assert filling.pour.left_of(filling.missing) == []
    assert device.read_bytes()[:BLOCK] == bytes(BLOCK)

    assert filling.pour.last() == []

    filling.slots.seal(B)
    assert device.read_bytes()[: len(IMAGE.content)] == IMAGE.content


def test_a_first_block_that_was_wrong_is_told_so_that_it_is_fetched(filling: Filling) -> None:
    pieces = [piece for piece in filling.missing if piece.chunk == 0]
    filling.pour.into(pieces, Cursor(0, iter([b"\xee" * BLOCK + filling.of(0)[0][BLOCK:]])))

    assert [piece.begin for piece in filling.pour.last()] == [0]
    assert len(filling.said) == 1


def test_wrong_bytes_cost_their_own_piece_and_the_stream_stays_in_step(filling: Filling) -> None:
    pieces = [piece for piece in filling.missing if piece.chunk == 1]
    wrong = bytearray(filling.of(1)[0])
    wrong[BLOCK * 2] ^= 1
    rest: list[bytes] = []

    def stream() -> Iterator[bytes]:
        yield bytes(wrong)
        rest.append(b"taken to its end")

    assert not filling.pour.into(pieces, Cursor(0, stream()))

    assert (len(filling.said), rest) == (1, [b"taken to its end"])
    assert filling.pour.left_of(pieces) == pieces


def test_a_network_that_failed_is_not_blamed_on_the_stream(filling: Filling) -> None:
    def breaks() -> Iterator[bytes]:
        yield b""
        raise Unreachable("unreachable", "gone")

    with pytest.raises(Unreachable, match="gone"):
        filling.pour.into([p for p in filling.missing if p.chunk == 1], Cursor(0, breaks()))
