"""Which language a person reads, and how numbers and plurals look in it."""

from __future__ import annotations

import pytest

from surefoot_server.languages.catalogue import N_, NAMES, chosen, language


@pytest.mark.parametrize(
    ("wish", "accepted", "code"),
    [
        ("", "", "en"),
        ("", "vi-VN,vi;q=0.9,en;q=0.8", "vi"),
        ("", "en;q=0.3, vi;q=0.7", "vi"),
        ("", "fr-FR, de;q=0.9", "en"),
        ("", "vi;q=0", "en"),
        ("", "vi;q=much, en", "en"),
        ("en", "vi", "en"),
        ("vi", "en", "vi"),
        ("xx", "vi", "vi"),
        ("", "," * 5000 + "vi", "en"),
    ],
)
def test_the_wish_wins_over_the_browser_and_the_browser_over_english(wish: str, accepted: str, code: str) -> None:
    assert chosen(wish, accepted).code == code


def test_every_language_is_read_and_says_its_name() -> None:
    for code, name in NAMES.items():
        assert (language(code).code, language(code).name) == (code, name)


def test_a_language_that_is_not_here_is_refused() -> None:
    with pytest.raises(KeyError):
        language("../en")


def test_a_text_is_translated_with_its_values() -> None:
    assert language("vi").gettext("%(time)s ago", time="5") == "5 trước"
    assert language("en").gettext("%(time)s ago", time="5") == "5 ago"


def test_a_text_that_nobody_translated_is_shown_as_it_is() -> None:
    assert language("vi").gettext("camera_fps 100%") == "camera_fps 100%"


def test_numbers_are_grouped_as_readers_expect() -> None:
    assert (language("en").number(1961), language("vi").number(1961)) == ("1,961", "1.961")
    assert (language("en").number(0.256, 1), language("vi").number(0.256, 2)) == ("0.3", "0,26")
    assert language("en").number(2.5, 0) == "2"


def test_a_plural_fills_in_the_number() -> None:
    en = language("en")

    assert en.ngettext("%(num)s device", "%(num)s devices", 1) == "1 device"
    assert en.ngettext("%(num)s device", "%(num)s devices", 2000) == "2,000 devices"


def test_a_marked_text_stays_what_it_is() -> None:
    assert N_("x") == "x"
