from __future__ import annotations

import importlib
import lzma

import pytest
from backports import zstd

from surefoot_agent.download import decoders
from surefoot_agent.download.decoders import READ_BYTES, Stream
from surefoot_shared.pack import Encoding
from tests.agent.download.unpacking import ENCODE, nameless

CONTENT = b"some content " * 40_000


@pytest.mark.parametrize("encoding", Encoding)
def test_every_encoding_is_undone_in_small_steps(encoding: Encoding) -> None:
    with nameless(ENCODE[encoding](CONTENT)) as packed:
        chunks = list(decoders.known(decoders.load)[encoding](packed))

    assert b"".join(chunks) == CONTENT
    assert max(map(len, chunks)) <= READ_BYTES


@pytest.mark.parametrize("encoding", [Encoding.XZ, Encoding.ZSTD])
def test_an_end_that_is_missing_is_noticed(encoding: Encoding) -> None:
    with nameless(ENCODE[encoding](CONTENT)[:-4]) as packed, pytest.raises(ValueError, match="too early"):
        list(decoders.known(decoders.load)[encoding](packed))


def test_a_dictionary_larger_than_packs_may_have_is_refused() -> None:
    raw = lzma.compress(CONTENT, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 26}])
    with nameless(raw) as packed, pytest.raises(lzma.LZMAError):
        list(decoders.xz(packed))


def test_a_window_larger_than_packs_may_have_is_refused() -> None:
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    raw = compressor.compress(bytes(1 << 20)) + compressor.flush()
    with nameless(raw) as packed, pytest.raises(zstd.ZstdError):
        list(decoders.zstd_of(importlib.import_module("backports.zstd"))(packed))


def test_a_stream_is_read_in_pieces_of_any_size() -> None:
    stream = Stream(iter([b"ab", b"", b"cdefg", b"h"]))

    assert stream.exactly(3) == b"abc"
    stream.skip(2)
    assert list(stream.chunks(3)) == [b"fg", b"h"]
    stream.end()


def test_a_stream_that_ends_too_early_or_goes_on_is_an_error() -> None:
    with pytest.raises(ValueError, match="fewer"):
        Stream(iter([b"ab"])).exactly(3)
    with pytest.raises(ValueError, match="more"):
        Stream(iter([b"ab"])).end()
