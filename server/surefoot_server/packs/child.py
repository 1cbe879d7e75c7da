"""`python -m surefoot_server.packs.child`: make the packs of one pair, in a process of its own.

Promises: reads one `Order` as JSON from standard input and writes one `Answer` to standard output; nothing but packs is
left in the folder it is given; runs at the lowest priority and within a memory limit, so that a large pair costs time
and never the server. What is wrong ends in an exit code other than 0 and one line on standard error.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from hdiffpatch import HDiffPatchError

from surefoot_server.packs.compose import compose
from surefoot_server.packs.contents import Contents
from surefoot_server.packs.follow import prove, prove_manifest
from surefoot_server.packs.members import Made, Maker, lacking, make_manifest
from surefoot_server.packs.orders import Answer, Order
from surefoot_shared import wire
from surefoot_shared.errors import SurefootError
from surefoot_shared.pack import WHOLE
from surefoot_shared.release import digest_of, parse_manifest

LOWEST_PRIORITY = 19
ORDER_LIMIT_BYTES = 64 * 1024


def main() -> int:
    order = wire.decode(Order, sys.stdin.buffer.read(), ORDER_LIMIT_BYTES)
    os.nice(LOWEST_PRIORITY)
    if order.memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (order.memory_bytes, order.memory_bytes))
    try:
        answer = make(order)
    except (SurefootError, OSError, MemoryError, HDiffPatchError) as error:
        sys.stderr.write(f"{getattr(error, 'message', '') or type(error).__name__}\n")
        return 1
    sys.stdout.buffer.write(wire.encode(answer))
    return 0


def make(order: Order) -> Answer:
    """Make, write and prove the packs."""
    began, lacked = time.monotonic(), 0
    new = _contents(Path(order.to_manifest), Path(order.blobs))
    old = _contents(Path(order.from_manifest), Path(order.blobs)) if order.from_manifest else None
    wanted = list(lacking(new, old))
    lacked = sum(size for _, _, size in wanted)
    pair, folder = (old.digest if old else WHOLE, new.digest), Path(order.folder)
    (manifest,) = compose(*pair, [_made_manifest(order)], order.encoding, folder)
    packs = tuple(compose(*pair, _made(wanted, new, old), order.encoding, folder))
    prove([(folder / pack.sha256, pack.encoding) for pack in packs], new, old)
    prove_manifest((folder / manifest.sha256).read_bytes(), manifest.encoding, _raw(order.from_manifest), new.digest)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Answer(manifest, packs, time.monotonic() - began, peak, lacked)


def _made_manifest(order: Order) -> Made:
    return make_manifest(_raw(order.to_manifest), _raw(order.from_manifest))


def _raw(path: str) -> bytes:
    return Path(path).read_bytes() if path else b""


def _made(wanted: Iterable[tuple[int, int, int]], new: Contents, old: Contents | None) -> Iterator[Made]:
    maker = Maker(new, old)
    return (maker.make(*one) for one in wanted)


def _contents(manifest: Path, blobs: Path) -> Contents:
    raw = manifest.read_bytes()
    return Contents(digest_of(raw), parse_manifest(raw), lambda sha256: blobs / sha256[:2] / sha256)


if __name__ == "__main__":
    sys.exit(main())
