from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot_shared import topics
from surefoot_shared.errors import Invalid
from surefoot_shared.topics import DOWN, UP, check_device_id, parse_up

GOOD = ["cam-17", "a", "A.b_c-1", "0", "x" * 64, "svc", "svcx", "cam..1"]
BAD = [
    "",
    "x" * 65,
    "+",
    "#",
    "cam/1",
    "cam 1",
    "cam\n",
    "ä",
    ".cam",
    "-cam",
    "_cam",
    "$SYS",
    "svc-server",
    "svc-",
    "%u",
    "a\x00",
]


@pytest.mark.parametrize("device", GOOD)
def test_a_device_id_is_letters_digits_dots_dashes_underscores(device: str) -> None:
    assert check_device_id(device) == device


@pytest.mark.parametrize("device", BAD)
def test_a_name_that_could_mean_something_to_a_broker_is_no_device_id(device: str) -> None:
    with pytest.raises(Invalid, match="not a device id") as caught:
        check_device_id(device)

    assert "1 to 64" in caught.value.hint


@given(st.text(max_size=70))
def test_what_passes_has_no_character_of_a_topic_in_it(name: str) -> None:
    try:
        check_device_id(name)
    except Invalid:
        return
    assert not set(name) & set("+#/$%\x00 \n")
    assert name.isascii()


@pytest.mark.parametrize("what", UP)
def test_a_topic_that_a_device_writes_is_read_back_as_its_parts(what: str) -> None:
    assert parse_up(topics.up("cam-17", what)) == ("cam-17", what)


@pytest.mark.parametrize("what", DOWN)
def test_a_topic_that_the_server_writes_is_none_that_devices_write(what: str) -> None:
    with pytest.raises(Invalid):
        parse_up(topics.down("cam-17", what))


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "surefoot/v1/d/cam/up",
        "surefoot/v1/d/cam/up/hello/x",
        "surefoot/v2/d/cam/up/hello",
        "surefoot/v1/d/+/up/hello",
        "surefoot/v1/d//up/hello",
        "surefoot/v1/d/svc-server/up/hello",
        "/surefoot/v1/d/cam/up/hello",
        "x" * 60_000,
    ],
)
def test_every_other_topic_is_refused_in_a_short_sentence(topic: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_up(topic)

    assert len(caught.value.message) < 300


def test_a_word_that_is_no_part_of_the_wire_is_a_bug() -> None:
    with pytest.raises(ValueError, match="hello"):
        topics.down("cam", "hello")
    with pytest.raises(ValueError, match="bundle"):
        topics.up("cam", "bundle")


def test_the_names_are_pinned() -> None:
    assert topics.down("cam", "bundle") == "surefoot/v1/d/cam/down/bundle"
    assert topics.up("cam", "hello") == "surefoot/v1/d/cam/up/hello"
    assert topics.FLEET_HALT == "surefoot/v1/fleet/halt"
    assert topics.FLEET_TRUST == "surefoot/v1/fleet/trust"
    assert topics.blob("ab", 3) == "surefoot/v1/blobs/ab/3"
    assert topics.READ == ("surefoot/v1/d/%u/down/#", "surefoot/v1/fleet/#", "surefoot/v1/blobs/#")
    assert topics.WRITE == ("surefoot/v1/d/%u/up/#",)


def test_a_chunk_is_told_by_its_topic() -> None:
    assert topics.parse_blob(topics.blob("a" * 64, 17)) == ("a" * 64, 17)
    assert topics.chunks_of("a" * 64) == f"surefoot/v1/blobs/{'a' * 64}/+"


@pytest.mark.parametrize(
    "tail", ["", "a/1", f"{'a' * 64}", f"{'a' * 64}/", f"{'a' * 64}/-1", f"{'a' * 64}/01", f"{'a' * 64}/1/2", "A" * 64]
)
def test_what_is_no_chunk_is_none(tail: str) -> None:
    assert topics.parse_blob(f"surefoot/v1/blobs/{tail}") is None
    assert topics.parse_blob(f"other/v1/blobs/{'a' * 64}/1") is None
