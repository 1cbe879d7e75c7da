from __future__ import annotations

import pytest

from surefoot_agent.download.replies import RETRY_AFTER_MAX_S, check_reply, verdict
from surefoot_shared.errors import InstallFailed, SurefootError, Unreachable


def refusal(status: int, **headers: str) -> SurefootError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(SurefootError) as caught:
        check_reply(status, named, 0, 10)
    return caught.value


def test_a_whole_answer_begins_before_the_offset() -> None:
    assert check_reply(200, {"Content-Length": "10"}, 0, 10) == 0
    assert check_reply(200, {"Content-Length": "10"}, 4, 10) == 4


def test_a_range_begins_where_it_says() -> None:
    assert check_reply(206, {"Content-Range": "bytes 4-9/10", "Content-Length": "6"}, 4, 10) == 0
    assert check_reply(206, {"Content-Range": "bytes 2-9/10"}, 4, 10) == 2


@pytest.mark.parametrize("span", ["", "bytes 5-9/10", "items 4-9/10", "bytes */10", "bytes x-9/10"])
def test_a_range_that_leaves_a_gap_is_refused(span: str) -> None:
    with pytest.raises(Unreachable):
        check_reply(206, {"Content-Range": span}, 4, 10)


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
