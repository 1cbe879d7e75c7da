"""The cohort language: what it accepts, what it means, and what it says of the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot_server.cohorts.grammar import Traits, matches, order_key, parse
from surefoot_shared.errors import Invalid

CAM = Traits(
    "cam-17", "jetson-orin", {"site": "hn-2", "country": "VN", "lanes": "10"}, frozenset({"lab"}), {"app": "1.8.2"}
)


@pytest.mark.parametrize(
    "text",
    [
        "all",
        "country == 'VN' and hw ~ 'jetson-*'",
        'country == "VN"',
        "tag('lab')",
        "device == 'cam-17'",
        "version('app') < '1.10'",
        "version('app') >= '1.8.2' and version('app') != '1.9'",
        "country in ('TH', 'VN')",
        "not (country == 'TH' or tag('broken'))",
        "not not tag('lab')",
        "lanes > 9",
        "lanes == 10",
        "site < 'hn-10'",
        "missing != 'x'",
        "not missing == 'x'",
        "not missing < 'x'",
        "tag('lab') or tag('a') and tag('b')",
        "site ~ 'hn-?'",
    ],
)
def test_it_belongs(text: str) -> None:
    assert matches(parse(text), CAM)


@pytest.mark.parametrize(
    "text",
    [
        "country == 'vn'",
        "hw ~ 'JETSON*'",
        "hw ~ 'orin'",
        "tag('LAB')",
        "version('model') < '9'",
        "version('app') < '1.8.2'",
        "missing == ''",
        "missing < 'x'",
        "missing ~ '*'",
        "missing in ('', 'x')",
        "(tag('lab') or tag('a')) and tag('b')",
        "not all",
        "site ~ '[h]n-2'",
    ],
)
def test_it_does_not_belong(text: str) -> None:
    assert not matches(parse(text), CAM)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("", "column 1"),
        ("hw", "column 1"),
        ("hw = 'x'", "column 4"),
        ("hw == x", "column 7"),
        ("hw == 'x' hw == 'y'", "column 11"),
        ("(hw == 'x'", "cannot be read"),
        ("and == 'x'", "column 1"),
        ("hw == 'x\ny'", "column 7"),
        ("tag(lab)", "column 5"),
        ("country in ()", "column 13"),
        ("hw == 'x'; drop table device", "column 10"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_column(text: str, at: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(text)

    assert at in refused.value.message
    assert "For example" in refused.value.hint


@pytest.mark.parametrize(
    "text", ["(" * 3000 + "all", "not " * 900 + "all", "hw == '" + "x" * 5000 + "'", "(not " * 60 + "all" + ")" * 60]
)
def test_hostile_nesting_and_length_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse(text)


def test_versions_are_ordered_as_people_mean_them() -> None:
    rising = ["1.0-rc1", "1.0-rc2", "1.0-rc10", "1.0", "1.0.1", "1.8.2", "1.9", "1.10", "2.0"]

    assert sorted(rising, key=lambda v: order_key(v, versions=True)) == rising
    assert order_key("1.0+build7", versions=True) == order_key("1.0", versions=True)


@given(st.text(max_size=60))
def test_no_text_at_all_breaks_the_parser(text: str) -> None:
    try:
        found = matches(parse(text), CAM)
    except Invalid:
        return
    assert found in (True, False)


@given(st.lists(st.text(max_size=6), min_size=2, max_size=6))
def test_any_two_texts_can_be_ordered(texts: list[str]) -> None:
    assert sorted(texts, key=order_key) == sorted(sorted(texts), key=order_key)
