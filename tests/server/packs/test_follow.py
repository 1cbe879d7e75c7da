"""A pack is offered only if following it gives the very bytes; any flaw is found before."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from surefoot_server.packs import follow
from surefoot_server.packs.compose import compose, compress
from surefoot_server.packs.members import Made, Maker, lacking
from surefoot_shared.errors import Invalid
from surefoot_shared.pack import Encoding
from tests.server.packs import shelf
from tests.server.packs.shelf import Shelf


@pytest.fixture
def made(tmp_path: Path) -> Shelf:
    return shelf.make(tmp_path)


def members(made: Shelf) -> list[Made]:
    maker = Maker(made.new, made.old)
    return [maker.make(*one) for one in lacking(made.new, made.old)]


def packed(made: Shelf, parts: list[Made], folder: Path) -> list[tuple[Path, Encoding]]:
    written = compose(made.old.digest, made.new.digest, parts, Encoding.XZ, folder)
    return [(folder / one.sha256, one.encoding) for one in written]


def test_a_pack_that_gives_every_byte_is_proved(made: Shelf, tmp_path: Path) -> None:
    packs = packed(made, members(made), tmp_path)

    assert follow.prove(packs, made.new, made.old) == 3


@pytest.mark.parametrize("flaw", ["wrong bytes", "missing target", "broken patch"])
def test_a_pack_with_a_flaw_is_not_proved(made: Shelf, tmp_path: Path, flaw: str) -> None:
    parts = members(made)
    if flaw == "wrong bytes":
        parts[0] = Made(parts[0].member, bytes(len(parts[0].payload)))
    elif flaw == "missing target":
        parts.pop()
    else:
        parts[1] = Made(parts[1].member, bytes(len(parts[1].payload)))

    with pytest.raises(Invalid):
        follow.prove(packed(made, parts, tmp_path), made.new, made.old)


@pytest.mark.parametrize("encoding", [Encoding.XZ, Encoding.ZSTD])
def test_bytes_that_do_not_decode_are_refused(encoding: Encoding) -> None:
    with pytest.raises(Invalid, match="cannot be decoded"):
        follow.decode(compress(b"x" * 1000, encoding)[:-9] + b"?" * 9, encoding)


def test_a_pack_that_needs_more_memory_to_decode_than_a_device_has_is_refused() -> None:
    huge = lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 1 << 28}])

    with pytest.raises(Invalid, match="cannot be decoded"):
        follow.decode(huge, Encoding.XZ)
