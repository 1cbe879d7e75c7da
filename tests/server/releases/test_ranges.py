"""A range is honoured, refused or ignored as HTTP says."""

from __future__ import annotations

import pytest

from surefoot_server.releases.ranges import Part, part

WHOLE = (200, 0, 10)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", WHOLE),
        ("bytes=0-", (206, 0, 10)),
        ("bytes=3-", (206, 3, 10)),
        ("bytes=3-4", (206, 3, 5)),
        ("bytes=3-99", (206, 3, 10)),
        ("bytes=-4", (206, 6, 10)),
        ("bytes=-99", (206, 0, 10)),
        ("bytes=9-9", (206, 9, 10)),
        ("bytes=10-", (416, 0, 0)),
        ("bytes=-0", (416, 0, 0)),
        ("bytes=5-4", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=0-1,3-4", WHOLE),
        ("bytes=a-b", WHOLE),
        ("lines=0-1", WHOLE),
        ("bytes=" + "9" * 30 + "-", WHOLE),
    ],
)
def test_a_range_is_answered_as_http_says(asked: str, expected: tuple[int, int, int]) -> None:
    got = part(10, asked)

    assert (got.status, got.begin, got.end) == expected


def test_a_range_that_was_meant_for_other_content_gets_the_whole() -> None:
    assert part(10, "bytes=3-", '"other"', '"this"').status == 200
    assert part(10, "bytes=3-", '"this"', '"this"').status == 206


def test_what_is_sent_is_said() -> None:
    assert part(10, "bytes=3-4").content_range == "bytes 3-4/10"
    assert part(10, "bytes=10-").content_range == "bytes */10"
    assert Part(200, 0, 10, 10).content_range == ""
