"""Which batches of a stream are stored, and up to which number that may be acknowledged. Pure.

Promises: a batch is new once; batches may come in any order within SPAN numbers; where the server itself cut one out of
the stream (the device talked too fast), nothing after it is acknowledged until the device began to send again, so that
it never forgets the one that was cut.
Gaps as such mean nothing: a device drops its oldest samples when it is offline for long, and skips numbers at a start.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

SPAN = 2048
"""Numbers below the highest that are told apart; a device keeps about a thousand batches. Below it: a duplicate."""
BYTES = SPAN // 8


@dataclass(frozen=True, slots=True)
class Window:
    """`acked` may be acknowledged, `top` is the highest stored, `last` the one that came last.

    `seen` has one bit for `top` and each number below it, the lowest bit for `top` itself. None is the past of before
    such windows were kept: everything up to `top` is stored.
    """

    acked: int = 0
    top: int = 0
    last: int = 0
    seen: bytes | None = None
    held: bool = False


def take(window: Window, numbers: Iterable[int], *, cut: bool = False) -> tuple[Window, list[int]]:
    """Note batches in the order in which they came; return the window and those that are new.

    `cut`: the server left out another one among them.
    """
    bits = (1 << window.top) - 1 if window.top < SPAN else (1 << SPAN) - 1
    if window.seen is not None:
        bits = int.from_bytes(window.seen, "little")
    acked, top, last, held, fresh = window.acked, window.top, window.last, window.held or cut, list[int]()
    for number in numbers:
        if number > top:
            bits = ((bits << min(number - top, SPAN)) | 1) & ((1 << SPAN) - 1)
            top = number
            fresh.append(number)
        elif top - number < SPAN and not bits >> (top - number) & 1:
            bits |= 1 << (top - number)
            fresh.append(number)
        held = held and (cut or number > last)  # a step back: the device begins anew at what is not acknowledged
        acked = acked if held else max(acked, number)
        last = number
    if cut:
        last = 0  # the one that was cut may have begun the device's round: what follows it is no step back
    return replace(window, acked=acked, top=top, last=last, held=held, seen=bits.to_bytes(BYTES, "little")), fresh
