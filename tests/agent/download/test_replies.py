from __future__ import annotations

import pytest

from surefoot_agent.download.replies import RETRY_AFTER_MAX_S, Span, asked_range, check_reply, verdict
from surefoot_agent.ports import Piece
from surefoot_shared.errors import InstallFailed, SurefootError, Unreachable

WHOLE = Piece("a file", "0" * 64, 10, 0, 10)
PART = Piece("blocks", "0" * 64, 10, 2, 6)


def refusal(status: int, **headers: str) -> SurefootError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(SurefootError) as caught:
        check_reply(status, named, WHOLE, 0)
    return caught.value


def test_a_whole_answer_begins_before_the_offset() -> None:
    assert check_reply(200, {"Content-Length": "10"}, WHOLE, 0) == Span(0, 10)
    assert check_reply(200, {"Content-Length": "10"}, WHOLE, 4) == Span(4, 6)


def test_a_range_begins_where_it_says() -> None:
    assert check_reply(206, {"Content-Range": "bytes 4-9/10", "Content-Length": "6"}, WHOLE, 4) == Span(0, 6)
    assert check_reply(206, {"Content-Range": "bytes 2-9/10"}, WHOLE, 4) == Span(2, 6)


def test_a_part_is_asked_for_with_its_end_and_a_whole_blob_without_a_range() -> None:
    asked = [asked_range(PART, 2), asked_range(PART, 5), asked_range(WHOLE, 0), asked_range(WHOLE, 4)]

    assert asked == ["bytes=2-5", "bytes=5-5", "", "bytes=4-"]


def test_what_follows_a_part_is_known_not_to_be_asked_for() -> None:
    assert check_reply(206, {"Content-Range": "bytes 2-5/10", "Content-Length": "4"}, PART, 2) == Span(0, 4)
    assert check_reply(206, {"Content-Range": "bytes 2-9/10", "Content-Length": "8"}, PART, 3) == Span(1, 3, True)
    assert check_reply(200, {"Content-Length": "10"}, PART, 2) == Span(2, 4, True)


@pytest.mark.parametrize("span", ["bytes 2-4/10", "bytes 2-20/21", "bytes 3-5/10"])
def test_a_range_that_is_not_of_the_signed_blob_or_lacks_the_end_is_refused(span: str) -> None:
    with pytest.raises(Unreachable):
        check_reply(206, {"Content-Range": span}, PART, 2)


@pytest.mark.parametrize("span", ["", "bytes 5-9/10", "items 4-9/10", "bytes */10", "bytes x-9/10"])
def test_a_range_that_leaves_a_gap_is_refused(span: str) -> None:
    with pytest.raises(Unreachable):
        check_reply(206, {"Content-Range": span}, WHOLE, 4)


def test_another_size_than_was_signed_is_corrupt_before_a_byte_is_read() -> None:
    assert refusal(200, Content_Length="11").kind == "artifact_corrupt"


@pytest.mark.parametrize(
    ("given", "expected"),
    [("5", 5.0), ("0", 0.0), ("999999999", RETRY_AFTER_MAX_S), ("soon", None), ("", None), ("-5", None)],
)
def test_retry_after_is_understood_and_bounded(given: str, expected: float | None) -> None:
    error = refusal(503, Retry_After=given)

    assert isinstance(error, Unreachable)
    assert error.retry_after_s == expected


def test_a_retry_date_is_measured_by_the_servers_own_clock() -> None:
    error = refusal(429, Retry_After="Wed, 21 Oct 2015 07:28:30 GMT", Date="Wed, 21 Oct 2015 07:28:00 GMT")

    assert isinstance(error, Unreachable)
    assert error.retry_after_s == 30.0


def test_a_retry_date_without_the_servers_clock_says_nothing() -> None:
    error = refusal(503, Retry_After="Wed, 21 Oct 2015 07:28:30 GMT")

    assert isinstance(error, Unreachable)
    assert error.retry_after_s is None


@pytest.mark.parametrize(
    ("kinds", "spoken"),
    [
        (["artifact_missing", "artifact_missing"], "artifact_missing"),
        (["artifact_missing", "artifact_corrupt"], "artifact_corrupt"),
        (["artifact_corrupt", "unreachable"], "unreachable"),
        (["unreachable", "too_slow"], "too_slow"),
        (["too_slow", "busy"], "busy"),
        (["busy", "lease_expired"], "lease_expired"),
        ([], "lease_expired"),
    ],
)
def test_the_failures_of_all_sources_speak_with_one_kind(kinds: list[str], spoken: str) -> None:
    made = [(InstallFailed if kind.startswith("artifact") else Unreachable)(kind, "x") for kind in kinds]

    assert verdict("a file", made).kind == spoken
