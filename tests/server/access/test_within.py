"""An expression is within a scope by its form, so that nothing that happens to devices makes it reach beyond."""

from __future__ import annotations

import pytest

from surefoot_server.access.within import narrowed, within
from surefoot_server.cohorts import grammar

HA, SG = "tag('ha')", "city == 'sg'"


def is_within(text: str, *scopes: str) -> bool:
    return within(grammar.parse(text), [grammar.parse(scope) for scope in scopes])


@pytest.mark.parametrize(
    "text",
    [
        HA,
        f"({HA})",
        f"{HA} and hw == 'rpi5'",
        f"hw == 'rpi5' and ({HA} and not tag('lab'))",
        f"({HA} and tag('lab')) or ({HA} and tag('roof'))",
        f"tag('lab') and ({HA} or (tag('roof') and {HA}))",
    ],
)
def test_what_asks_all_that_the_scope_asks_is_within(text: str) -> None:
    assert is_within(text, HA)


@pytest.mark.parametrize(
    "text",
    [
        "all",
        "tag('lab')",
        f"not {HA}",
        f"not ({HA} and tag('lab'))",
        f"{HA} or tag('lab')",
        f"({HA}) and (tag('lab')) or {SG}",
        f"{HA} and tag('lab') or all",
        "tag('HA')",
    ],
)
def test_what_may_mean_others_is_not_within_however_it_begins(text: str) -> None:
    assert not is_within(text, HA)


def test_each_way_may_be_within_another_scope() -> None:
    assert is_within(f"{HA} or {SG}", HA, SG)
    assert is_within(f"({HA} or {SG}) and tag('lab')", HA, SG)
    assert not is_within(f"{HA} or {SG}", HA)
    assert not is_within(f"{HA} or {SG}")


def test_a_scope_of_several_conditions_needs_all_of_them() -> None:
    assert is_within(f"tag('lab') and {SG} and {HA}", f"{HA} and {SG}")
    assert not is_within(f"tag('lab') and {HA}", f"{HA} and {SG}")


def test_everything_is_within_a_scope_of_everything() -> None:
    assert is_within("tag('lab')", "all")
    assert narrowed("tag('lab')", ["all"]) == "tag('lab')"


@pytest.mark.parametrize("text", ["all", "tag('lab')", f"{HA} or tag('lab')", f"not {HA}"])
@pytest.mark.parametrize("scopes", [[HA], [HA, SG], [f"{HA} or {SG}"]])
def test_a_narrowed_expression_is_within_and_means_the_same_of_ones_own(text: str, scopes: list[str]) -> None:
    made = narrowed(text, scopes)
    own = grammar.Traits("d", "rpi5", {"city": "sg"}, frozenset({"ha", "lab"}))
    other = grammar.Traits("d", "rpi5", {}, frozenset({"lab"}))

    assert is_within(made, *scopes)
    assert grammar.matches(grammar.parse(made), own) is grammar.matches(grammar.parse(text), own)
    assert not grammar.matches(grammar.parse(made), other)


def test_what_is_within_keeps_its_words() -> None:
    assert narrowed(f"tag('lab') and {HA}", [HA]) == f"tag('lab') and {HA}"
    assert narrowed("tag('lab')", [HA]) == f"({HA}) and (tag('lab'))"
