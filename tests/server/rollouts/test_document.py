"""Reading a YAML document strictly: units, shares, single keys."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot_server.rollouts.document import Field, duration_s, parse
from surefoot_shared.errors import Invalid


def field(text: str) -> Field:
    return parse(f"x: {text}").mapping("x")["x"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("500ms", 0.5), ("1h30m", 5400), ("2d", 172800), ("1.5h", 5400), ("0s", 0)]
)
def test_durations_carry_their_unit(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "6", "6 h", "h", "-1s", "6hours", "1e3s", "∞s"])
def test_a_duration_without_plain_unit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        duration_s(text)


@pytest.mark.parametrize(("text", "value"), [("2%", 0.02), ("0.02", 0.02), ("100%", 1.0), ("1", 1.0)])
def test_shares_are_percentages_or_ratios(text: str, value: float) -> None:
    assert field(text).ratio(0.5) == pytest.approx(value)


@pytest.mark.parametrize("text", ["2", "-1%", "1e-3", "nan", "two"])
def test_a_share_outside_its_range_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        field(text).ratio(0.5)


def test_an_absent_field_has_its_default_and_is_refused_where_it_is_required() -> None:
    absent = parse("").mapping("x")["x"]

    assert absent.absent
    assert absent.integer(7, low=1, high=9) == 7
    with pytest.raises(Invalid, match="x: it is missing"):
        absent.required()


def test_what_is_missing_is_missing_at_the_line_of_what_lacks_it() -> None:
    lacking = parse("a: 1\nx:\n  y: {z: 1}").mapping("a", "x")["x"].mapping("y")["y"].mapping("z", "w")["w"]

    with pytest.raises(Invalid, match=r"line 3: x\.y\.w: it is missing"):
        lacking.required()


def test_aliases_cannot_blow_a_document_up() -> None:
    bomb = "a: &a [x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)},*{chr(97 + i)}]\n" for i in range(20)
    )

    with pytest.raises(Invalid, match="not known"):
        parse(bomb).mapping("x")


@given(st.text(max_size=200))
def test_no_text_at_all_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(Invalid):
        assert parse(text).mapping("x")["x"].text_or_none() != ""
