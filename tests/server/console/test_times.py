"""Times for people: their zone, their language, and UTC beside it."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from surefoot_server.console import times
from surefoot_server.languages.catalogue import language
from tests.server.rig import NOW

EN, VI = language("en"), language("vi")


def test_a_moment_is_in_the_viewers_zone_with_utc_for_machines_and_on_hover() -> None:
    said = times.moment(NOW, times.zone("Asia/Ho_Chi_Minh"), EN)

    assert said == (
        '<time class="at" datetime="2026-03-01T12:00:00Z" title="2026-03-01 12:00:00 UTC">2026-03-01 19:00</time>'
    )


def test_a_step_of_an_attempt_is_told_to_the_second() -> None:
    assert ">2026-03-01 19:00:00<" in times.second(NOW, times.zone("Asia/Ho_Chi_Minh"))


def test_without_a_zone_it_is_utc_and_says_so() -> None:
    assert ">2026-03-01 12:00 UTC<" in times.moment(NOW, timezone.utc, EN)


@pytest.mark.parametrize("name", ["", "Mars/Base", "../../etc/passwd", "/etc/passwd", "a\0b", "."])
def test_a_zone_that_is_none_is_utc(name: str) -> None:
    assert times.zone(name) is timezone.utc


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s ago"), (59, "59 s ago"), (60, "1 min ago"), (7200, "2 h ago"), (200_000, "2 d ago"), (-300, "in 5 min")],
)
def test_a_distance_is_said_as_a_person_would(seconds: float, text: str) -> None:
    assert times.ago(NOW - timedelta(seconds=seconds), NOW, EN) == text


def test_a_distance_keeps_the_instant_beside_it_and_is_translated() -> None:
    said = times.since(NOW - timedelta(minutes=3), NOW, VI)

    assert 'title="2026-03-01 11:57:00 UTC"' in said
    assert ">3 phút trước<" in said


def test_what_never_happened_is_said_so() -> None:
    assert times.moment(None, timezone.utc, EN) == times.since(None, NOW, EN) == "<span>never</span>"
