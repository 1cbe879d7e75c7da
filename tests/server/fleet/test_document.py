"""The fleet's document: what it says, and the line of everything that is wrong with it."""

from __future__ import annotations

import pytest

from surefoot_server.fleet.document import Known, parse
from surefoot_shared.errors import Invalid

WHOLE = """
version: 1
policies:
  careful:            # a comment
    phases: [{percent: 5, bake: 6h}, {percent: 100}]
cohorts:
  hanoi: "site ~ 'hanoi-*'"
channels:
  dev: {cohort: "channel == 'dev'"}
  production:
    after: dev
    cohort: hanoi
    policy: careful
    requires: {baked: {for: 24h, devices: 5}, acceptance: 1}
  lab: {cohort: all, policy: {phases: [{percent: 100}]}}
"""


def test_every_part_becomes_a_thing_with_its_fields() -> None:
    found = parse(WHOLE, Known())

    assert set(found) == {"policy", "cohort", "channel"}
    assert found["cohort"] == {"hanoi": {"expression": "site ~ 'hanoi-*'"}}
    assert found["channel"]["production"]["after"] == "dev"
    assert found["channel"]["production"]["policy"] == "careful"
    assert found["channel"]["lab"]["policy"] == "{phases: [{percent: 100}]}"


def test_comments_and_indentation_make_no_difference() -> None:
    other = WHOLE.replace("            # a comment", "").replace("    phases:", "        phases:")

    assert other != WHOLE
    assert parse(other, Known()) == parse(WHOLE, Known())


def test_a_part_that_is_left_out_is_not_spoken_of() -> None:
    assert set(parse("version: 1\ncohorts: {}", Known())) == {"cohort"}


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("version: 1", "version: 2", "line 2: version: '2' is not a whole number from 1 to 1"),
        ("version: 1", "vrsion: 1", "line 2: vrsion: this key is not known"),
        ("percent: 5", "percent: 500", "line 5: policies.careful.phases[0].percent: '500' is not a percentage"),
        ("bake: 6h", "bake: 6", "line 5: policies.careful.phases[0].bake: '6' is not a duration"),
        ("site ~ 'hanoi-*'", "site ~ hanoi", "line 7: cohorts.hanoi: The cohort expression cannot be read at column 8"),
        ("  hanoi:", "  Hanoi:", "line 7: cohorts.Hanoi: 'Hanoi' is not a name"),
        ("  hanoi:", "  all:", "line 7: cohorts.all: `all` is the whole fleet"),
        ("after: dev", "after: development", "line 11: channels.production.after: there is no channel 'development'"),
        ("cohort: hanoi", "cohort: hanoy", "line 12: channels.production.cohort: there is no cohort 'hanoy'"),
        ("policy: careful", "policy: careless", "line 13: channels.production.policy: there is no policy 'careless'"),
        ("acceptance: 1", "acceptance: many", "line 14: channels.production.requires.acceptance"),
        ("  lab: {cohort: all,", "  dev: {cohort: all,", "line 15: channels.dev: this name is given twice"),
        ("dev: {cohort:", "dev: {after: production, cohort:", "channels.dev: it comes after itself, by way of 'dev'"),
        ("cohort: all, ", "", "channels.lab.cohort: it is missing"),
        ("lab: {", "lab: [", "line 15: "),
    ],
)
def test_what_is_wrong_is_told_with_line_and_field(was: str, becomes: str, said: str) -> None:
    assert was in WHOLE
    with pytest.raises(Invalid) as refused:
        parse(WHOLE.replace(was, becomes, 1), Known())

    assert refused.value.message.startswith("The fleet's document: ")
    assert said in refused.value.message


def test_what_the_server_has_may_be_named() -> None:
    text = "version: 1\nchannels: {production: {after: dev, cohort: hanoi, policy: careful}}"

    found = parse(text, Known({"careful"}, {"hanoi"}, {"dev": ""}))

    assert found["channel"]["production"]["cohort"] == "hanoi"
    with pytest.raises(Invalid, match="comes after itself"):
        parse(text, Known({"careful"}, {"hanoi"}, {"dev": "production"}))


def test_no_version_is_refused() -> None:
    with pytest.raises(Invalid, match="version: it is missing"):
        parse("cohorts: {}", Known())
