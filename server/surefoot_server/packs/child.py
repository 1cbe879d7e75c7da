"""`python -m surefoot_server.packs.child`: make the packs of one pair, in a process of its own.

Promises: reads one `Order` as JSON from standard input and writes one `Answer` to standard output; nothing but packs is
left in the folder it is given; runs at the lowest priority and within limits of memory, disk and time of the processor,
so that a large pair costs time and never the server; ends once whoever gave the order is gone. What is wrong ends in an
exit code other than 0 and one line on standard error.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from hdiffpatch import HDiffPatchError

from surefoot_server.packs.compose import compose
from surefoot_server.packs.contents import Contents, refuse_damaged
from surefoot_server.packs.follow import prove, prove_manifest
from surefoot_server.packs.members import Made, Maker, lacking, make_manifest
from surefoot_server.packs.orders import Answer, Order, Written
from surefoot_server.releases.blobs import RESERVE_BYTES
from surefoot_shared import wire
from surefoot_shared.errors import Conflict, Invalid, SurefootError
from surefoot_shared.pack import PACK_LIMIT_BYTES, WHOLE
from surefoot_shared.release import digest_of, parse_manifest

LOWEST_PRIORITY = 19
ORDER_LIMIT_BYTES = 64 * 1024


def main() -> int:
    order = wire.decode(Order, sys.stdin.buffer.read(), ORDER_LIMIT_BYTES)
    os.nice(LOWEST_PRIORITY)
    for what, limit in (
        (resource.RLIMIT_AS, order.memory_bytes),
        (resource.RLIMIT_CPU, order.cpu_s),
        (resource.RLIMIT_FSIZE, PACK_LIMIT_BYTES),
    ):
        if limit:
            resource.setrlimit(what, (limit, limit))
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
    if old:
        refuse_damaged(old)
    wanted = list(lacking(new, old))
    lacked = sum(size for _, _, size in wanted)
    pair, folder = (old.digest if old else WHOLE, new.digest), Path(order.folder)
    (manifest,) = compose(*pair, [_made_manifest(order)], order.encoding, folder)
    made = _while_asked_for(_made(wanted, new, old), os.getppid())
    packs = tuple(_within(order.limit_bytes, compose(*pair, made, order.encoding, folder), folder))
    prove([(folder / pack.sha256, pack.encoding) for pack in packs], new, old)
    prove_manifest((folder / manifest.sha256).read_bytes(), manifest.encoding, _raw(order.from_manifest), new.digest)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Answer(manifest, packs, time.monotonic() - began, peak, lacked)


def _made_manifest(order: Order) -> Made:
    return make_manifest(_raw(order.to_manifest), _raw(order.from_manifest))


def _within(limit_bytes: int, packs: Iterable[Written], folder: Path) -> Iterator[Written]:
    """Raise Invalid as soon as the packs have no room: hours of work would come to nothing."""
    taken = 0
    for pack in packs:
        taken += pack.size_bytes
        if limit_bytes and taken > limit_bytes:
            raise Invalid("too_large", "Its packs alone are larger than packs_limit_bytes.")
        if shutil.disk_usage(folder).free < RESERVE_BYTES:
            raise Invalid("no_space", "The server's disk has no room for its packs.")
        yield pack


def _while_asked_for(made: Iterable[Made], parent: int) -> Iterator[Made]:
    for one in made:
        if os.getppid() != parent:
            raise Conflict("conflict", "The server that wanted the packs is gone.")
        yield one


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
