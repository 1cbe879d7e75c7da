"""Order and answer survive the way between the two processes."""

from __future__ import annotations

from surefoot_server.packs.orders import Answer, Order, Written
from surefoot_shared import wire
from surefoot_shared.pack import Encoding


def test_order_and_answer_are_read_back_as_they_were() -> None:
    order = Order("/a", "/b", "/blobs", "/out", Encoding.ZSTD, 1 << 30)
    manifest, pack = (Written(name * 64, 5, Encoding.XZ, 9, 2) for name in "12")
    answer = Answer(manifest, (pack,), 1.5, 1 << 20, 77)

    assert wire.decode(Order, wire.encode(order)) == order
    assert wire.decode(Answer, wire.encode(answer)) == answer
