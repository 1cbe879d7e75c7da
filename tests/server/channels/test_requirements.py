"""What a channel asks: each answer with its numbers, and nothing taken on trust."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot_server.channels.requirements import Requirements, Shown, answers, parse
from surefoot_server.findings.provenance import Attested, Standing, Unverified, Vouching
from surefoot_shared.errors import Invalid

ASKED = Requirements(3600, 2, ("night",), 1)
GOOD = Shown("abc", "abc", [7200, 3600, 10], (), {"night": True}, {"bob"})


def missing(shown: Shown, required: Requirements | None = ASKED, before: str | None = "dev") -> list[str]:
    return [a.requirement for a in answers(required, shown, "ann", before) if not a.met]


def test_a_release_that_showed_everything_lacks_nothing() -> None:
    assert missing(GOOD) == []


@pytest.mark.parametrize(
    ("shown", "lacks"),
    [
        (replace(GOOD, ran_s=[7200, 3599]), "baked"),
        (replace(GOOD, ran_s=[]), "baked"),
        (replace(GOOD, tests={}), "test night"),
        (replace(GOOD, tests={"night": False}), "test night"),
        (replace(GOOD, accepted_by=()), "accepted"),
        (replace(GOOD, accepted_by={"ann"}), "accepted"),
        (replace(GOOD, entered_digest=None), "identical digests"),
        (replace(GOOD, entered_digest="abd"), "identical digests"),
        (replace(GOOD, other_digests={"xyz"}), "identical digests"),
        (replace(GOOD, against=["rollout r1 halted it"]), "nothing stands against it"),
    ],
)
def test_each_thing_that_was_not_shown_is_named(shown: Shown, lacks: str) -> None:
    assert missing(shown) == [lacks]


def test_the_first_channel_asks_only_that_nothing_stands_against_it() -> None:
    bare = Shown("abc", None)

    assert missing(bare, None, None) == []
    assert missing(replace(bare, against=["x"]), None, None) == ["nothing stands against it"]


@pytest.mark.parametrize(
    ("asked", "met"),
    [
        ("{}", False),
        ("{builder: {}}", False),
        ("{builder: {unverified: warn}}", True),
        ("{builder: {keys: [ci]}}", False),
    ],
)
def test_who_vouches_is_asked_where_the_channel_says_so(asked: str, met: bool) -> None:
    bare = Shown("abc", None, attested=Attested(Standing.UNKNOWN))
    found = [a for a in answers(parse(asked), bare, "ann", None) if a.requirement == "builder"]

    assert [a.met for a in found] == ([] if asked == "{}" else [met])


def test_an_answer_says_its_numbers() -> None:
    said = {a.requirement: a.said for a in answers(ASKED, replace(GOOD, accepted_by={"ann"}), "ann", "dev")}

    assert said["baked"] == "2 of 2 devices of dev ran it for 1 h (3 run it)"
    assert said["accepted"] == "0 of 1 persons: nobody (not counting ann)"


def test_requirements_are_read_strictly() -> None:
    assert parse("{baked: {for: 6h, devices: 5}, tests: [a, b], acceptance: 2}") == Requirements(
        21600, 5, ("a", "b"), 2
    )
    assert parse("") == Requirements()
    assert parse("{builder: {unverified: warn, keys: [ci, lab]}}").builder == Vouching(Unverified.WARN, ("ci", "lab"))
    for wrong in (
        "{baked: 6h}",
        "{builder: true}",
        "{builder: {unverified: maybe}}",
        "{builder: {keys: ci}}",
        "{acceptance: 99}",
        "{scan: true}",
        "{tests: night}",
    ):
        with pytest.raises(Invalid):
            parse(wrong)
