"""The bundle's form: what was packed comes out, and nothing else gets in or takes more than its room."""

from __future__ import annotations

import json
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot_shared.errors import ConfigError, UntrustedRelease
from surefoot_shared.trust.bundle import FILES_LIMIT, LIMIT_BYTES, RAW_LIMIT_BYTES, Bundle, pack, read_bundle, unpack

NAMES = st.sampled_from(["1.root.json", "2.root.json", "timestamp.json", "77.snapshot.json", "3.rel-app.json"])
FILES = st.dictionaries(NAMES, st.text(max_size=200), max_size=5)


def refused(raw: bytes) -> str:
    with pytest.raises(UntrustedRelease) as caught:
        unpack(raw)
    assert caught.value.kind == "bundle_malformed"
    return caught.value.message


@given(FILES, FILES)
def test_the_text_of_every_file_survives_exactly(director: dict[str, str], image: dict[str, str]) -> None:
    bundle = Bundle("cam-17", director, image)

    assert unpack(pack(bundle)) == bundle


def test_the_form_on_the_wire_is_this() -> None:
    raw = pack(Bundle("cam-17", {"timestamp.json": "d"}, {"1.root.json": "i"}))

    assert json.loads(zlib.decompress(raw)) == {
        "v": 1,
        "device": "cam-17",
        "director": {"timestamp.json": "d"},
        "image": {"1.root.json": "i"},
    }


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_bundle_malformed(raw: bytes) -> None:
    refused(raw)


@given(st.binary(max_size=300))
def test_no_compressed_bytes_raise_anything_but_bundle_malformed(text: bytes) -> None:
    refused(zlib.compress(text))


def test_a_bundle_that_is_too_large_is_not_even_decompressed() -> None:
    assert "are allowed" in refused(b"x" * (RAW_LIMIT_BYTES + 1))


def test_a_bomb_takes_no_more_memory_than_the_limit() -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    tracemalloc.start()

    refused(bomb)

    assert tracemalloc.get_traced_memory()[1] < 4 * LIMIT_BYTES
    tracemalloc.stop()


def test_bytes_after_the_end_of_the_stream_change_nothing() -> None:
    raw = pack(Bundle("cam-17"))

    assert unpack(raw + b"trailing") == Bundle("cam-17")


@pytest.mark.parametrize(
    "name",
    ["../timestamp.json", "a/b.json", "timestamp", "", "0.root.json", "01.root.json", "x\n.json", "a" * 90 + ".json"],
)
def test_names_that_no_repository_has_are_refused(name: str) -> None:
    refused(pack(Bundle("cam-17", {name: ""})))


def test_too_many_files_are_refused() -> None:
    refused(pack(Bundle("cam-17", {f"{number}.root.json": "" for number in range(1, FILES_LIMIT + 2)})))


@pytest.mark.parametrize(
    "value",
    [[], {}, {"v": 2, "device": "a"}, {"v": 1, "device": 3}, {"v": 1, "device": "a", "image": {"1.root.json": 3}}],
)
def test_another_form_is_refused(value: object) -> None:
    refused(zlib.compress(json.dumps(value).encode()))


def test_a_bundle_is_read_from_a_file_as_it_is(tmp_path: Path) -> None:
    raw = pack(Bundle("cam-1", {"timestamp.json": "{}"}))
    (tmp_path / "b").write_bytes(raw)

    assert read_bundle(tmp_path / "b") == raw


def test_a_file_that_is_no_bundle_or_not_there_says_so(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"junk")

    with pytest.raises(UntrustedRelease):
        read_bundle(tmp_path / "junk")
    with pytest.raises(ConfigError):
        read_bundle(tmp_path / "absent")
    with pytest.raises(ConfigError):
        read_bundle(tmp_path)


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(UntrustedRelease):
        read_bundle(Path("/dev/zero"))
