"""Arguments that several commands take."""

from __future__ import annotations

import click
import pytest

from surefoot_server.cli.params import DURATION, PAIR


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
