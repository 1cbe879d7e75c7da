"""Complaints about a scenario's document name line and field."""

from __future__ import annotations

from enum import Enum

import pytest

from surefoot_shared.errors import Invalid
from surefoot_simulators.world.toml_lines import Table, lines_of, parse

TEXT = '''
title = "x"
[fleet]
runs = "1.0"
[[fleet.devices]]
count = 3
[[release]]
version = "1.0"
notes = """
version = "not this one"
"""
[[release.effect]]
share = 0.5
[[release]]
version = "1.1"
[[release.effect]]
share = 2.0
wait = "10s"
'''


class Colour(str, Enum):
    RED = "red"


def root() -> Table:
    return parse(TEXT, "a.toml")


def effect() -> Table:
    return next(list(root().tables("release"))[1].tables("effect"))


def test_lines_are_those_of_the_text() -> None:
    lines = lines_of(TEXT)

    assert lines["release", 0, "version"] == 8
    assert lines["release", 1, "version"] == 15
    assert lines["release", 1, "effect", 0, "share"] == 17
    assert lines["fleet", "devices", 0, "count"] == 6


def test_a_value_out_of_range_is_named_with_its_line() -> None:
    with pytest.raises(Invalid, match=r"a.toml, line 17: release.1.effect.0.share: 2.0 is not a number from 0 to 1"):
        effect().number("share", high=1.0)


def test_a_key_that_nobody_read_is_refused_with_what_is_known() -> None:
    table = effect()
    table.number("share")

    with pytest.raises(Invalid, match=r"line 18: release.1.effect.0.wait: there is no such key; known are share"):
        table.done()


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (lambda t: t.text("nothing"), "nothing: it is missing"),
        (lambda t: t.whole("title"), "line 2: title: 'x' is not a whole number"),
        (lambda t: t.choice("title", Colour), "'x' is not one of red"),
        (lambda t: t.span_s("title"), "not a span such as 10s"),
        (lambda t: t.flag("title"), "not true or false"),
        (lambda t: t.table("title"), "it is not a table"),
        (lambda t: list(t.tables("title")), "it is not an array of tables"),
        (lambda t: t.mapping("title"), "not a table of texts and numbers"),
    ],
)
def test_each_kind_of_value_has_its_complaint(read: object, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        read(root())  # type: ignore[operator]


@pytest.mark.parametrize(("text", "seconds"), [("10s", 10.0), ("5m", 300.0), ("1.5h", 5400.0)])
def test_spans_have_units(text: str, seconds: float) -> None:
    assert parse(f'for = "{text}"', "a.toml").span_s("for") == seconds


def test_a_span_is_never_below_nothing_unless_its_key_says_so() -> None:
    table = parse('by = "-2d"', "a.toml")

    assert table.span_s("by", low_s=-200_000.0) == -172_800.0
    with pytest.raises(Invalid, match=r"a\.toml, line 1: by: '-2d' is outside 0s to 36525d"):
        table.span_s("by")


@pytest.mark.parametrize("text", ["3000000d", "--2s", "9" * 400 + "d"])
def test_a_span_that_no_calendar_has_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"a\.toml, line 1: by:"):
        parse(f'by = "{text}"', "a.toml").span_s("by", low_s=-1.0)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000 + "]" * 5000, "a" + ".a" * 5000 + " = 1", "a = " + "[" * 5000])
def test_what_is_nested_without_end_is_one_sentence(text: str) -> None:
    with pytest.raises(Invalid, match=r"^a\.toml is nested too deeply\."):
        parse(text, "a.toml")


def test_a_byte_order_mark_is_no_part_of_the_document() -> None:
    assert parse("\ufefftitle = 'x'", "a.toml").text("title") == "x"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('a = ""', "line 1: a: '' is no name"),
        ('a = " "', "line 1: a: ' ' is no name"),
        ('a = "x\\ny"', "is no name"),
        ('a = "x\\u0000y"', "a: it has the control character '.x00'; take it out"),
        ('a = "x\\u001by"', "a: it has the control character '.x1b'"),
    ],
)
def test_what_nothing_can_be_called_is_no_name(text: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        parse(text, "a.toml").name("a")
    with pytest.raises(Invalid, match=words):
        parse(text, "a.toml").names("a")


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_what_is_no_number_is_none_in_a_table_of_them(number: str) -> None:
    with pytest.raises(Invalid, match=f"line 1: a: x is {number}, which is no number"):
        parse(f"a = {{x = {number}}}", "a.toml").mapping("a")


def test_what_is_no_toml_is_said_with_its_line() -> None:
    with pytest.raises(Invalid, match=r"a.toml: .*line 2"):
        parse("a = 1\ntitle = = 2\n", "a.toml")
