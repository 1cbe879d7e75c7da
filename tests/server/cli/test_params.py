"""Arguments that several commands take."""

from __future__ import annotations

import click
import pytest

from surefoot_server.cli.params import DURATION, LIFETIME, NAME, PAIR, TAG, Text, Whole, path, release_of


@pytest.mark.parametrize(("text", "seconds"), [("10s", 10.0), ("2h", 7200.0), (5, 5.0)])
def test_a_duration_is_read_in_seconds(text: object, seconds: float) -> None:
    assert DURATION.convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["10", "soon", ""])
def test_a_duration_without_unit_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="not a duration"):
        DURATION.convert(text, None, None)


def test_a_pair_is_split_at_its_first_equals_sign() -> None:
    assert PAIR.convert("site=a=b", None, None) == ("site", "a=b")
    assert PAIR.convert(("site", "a"), None, None) == ("site", "a")


@pytest.mark.parametrize("text", ["site", "=x", ""])
def test_what_is_no_pair_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="NAME=VALUE"):
        PAIR.convert(text, None, None)


@pytest.mark.parametrize("text", ["", " ", ".", "..", "../../x", "a/b", "a\n", "x" * 201])
def test_what_would_lead_to_another_path_is_no_name(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"empty|nothing can be called"):
        NAME.convert(text, None, None)


def test_a_path_is_quoted_part_by_part() -> None:
    assert path("cohorts", "a b?c#d/é", "x") == "/cohorts/a%20b%3Fc%23d%2F%C3%A9/x"


@pytest.mark.parametrize("number", ["0", "11", "1.5", "", "١", "9" * 5000])
def test_a_number_out_of_range_is_refused_with_the_range(number: str) -> None:
    with pytest.raises(click.BadParameter, match="from 1 to 10"):
        Whole(1, 10).convert(number, None, None)


def test_a_text_that_is_too_long_is_counted() -> None:
    assert Text(3).convert("abc", None, None) == "abc"
    with pytest.raises(click.BadParameter, match="4 characters; 3 are allowed"):
        Text(3).convert("abcd", None, None)


@pytest.mark.parametrize("text", ["0s", "366d"])
def test_a_lifetime_has_a_range(text: str) -> None:
    with pytest.raises(click.BadParameter, match="outside 1s to 365d"):
        LIFETIME.convert(text, None, None)


def test_a_tag_is_what_the_server_takes() -> None:
    assert TAG.convert("lab:1.a-b_c", None, None) == "lab:1.a-b_c"
    with pytest.raises(click.BadParameter, match="is not a tag"):
        TAG.convert("-lab", None, None)


@pytest.mark.parametrize("text", ["app", "app/", "/1.1", "app/1/1", "../1.1", "app/.."])
def test_what_is_no_release_is_refused(text: str) -> None:
    assert release_of("app/1.1") == ("app", "1.1")
    with pytest.raises(click.UsageError):
        release_of(text)
