"""What is read of the API's answers."""

from __future__ import annotations

import pytest

from surefoot_server.cli import shown
from surefoot_shared.errors import Invalid


def test_fields_that_are_not_shown_are_ignored() -> None:
    found = shown.many(shown.Cohort, [{"name": "a", "expression": "all", "devices": 3, "later": 1}])

    assert found == [shown.Cohort("a", "all", 3)]


def test_a_server_of_another_kind_is_noticed() -> None:
    with pytest.raises(Invalid, match="list"):
        shown.many(shown.Cohort, {"detail": "x"})


def test_moments_are_shown_in_utc() -> None:
    assert shown.when("2026-03-01T12:00:00+07:00") == "2026-03-01 05:00 UTC"
    assert shown.when("2026-03-01T12:00:00Z") == "2026-03-01 12:00 UTC"
    assert shown.when(None) == ""


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (90, "90s"), (600, "10m"), (21600, "6h"), (172800, "2d")])
def test_durations_are_shown_in_the_policys_words(seconds: float, text: str) -> None:
    assert shown.span(seconds) == text


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (3_640_000_000, "3.6 GB")])
def test_sizes_are_short(size: int, text: str) -> None:
    assert shown.size(size) == text
