"""CVSS 4.0 by the examples that its publisher scores, and by what the standard says of every vector."""

from __future__ import annotations

import itertools

import pytest

from surefoot_server.findings.cvss4 import BELOW, CLASSES, SCORES, score

BARE = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"


@pytest.mark.parametrize(
    ("vector", "said"),
    [
        ("AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 7.3),  # CVE-2022-41741
        ("AV:N/AC:L/AT:P/PR:N/UI:P/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 7.7),  # CVE-2020-3549
        ("AV:N/AC:L/AT:P/PR:N/UI:N/VC:H/VI:L/VA:L/SC:N/SI:N/SA:N", 8.3),  # CVE-2023-3089
        ("AV:L/AC:L/AT:N/PR:N/UI:A/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N", 4.6),  # CVE-2021-44714
        ("AV:N/AC:L/AT:N/PR:N/UI:A/VC:N/VI:N/VA:N/SC:L/SI:L/SA:N", 5.1),  # CVE-2022-21830
        ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:L/SI:L/SA:N", 6.9),  # CVE-2022-22186
        ("AV:L/AC:L/AT:N/PR:H/UI:N/VC:N/VI:N/VA:N/SC:H/SI:N/SA:N", 5.9),  # CVE-2023-21989
        ("AV:L/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 9.4),  # CVE-2020-3947
        ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:H/VA:N/SC:H/SI:H/SA:H", 9.3),  # CVE-2023-48228
        ("AV:P/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:H/SA:N/S:P/V:D", 8.3),  # CVE-2023-30560
        ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H/E:A", 10.0),  # CVE-2025-31324
        ("AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N/E:A", 8.7),  # CVE-2014-0160
    ],
)
def test_a_vector_scores_as_its_publisher_says(vector: str, said: float) -> None:
    assert score(f"CVSS:4.0/{vector}") == said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", 9.3),
        ("/E:X", 9.3),
        ("/U:Clear/RE:L", 9.3),
        ("/E:P", 8.9),
        ("/E:U", 8.1),
        ("/MAV:P", 7.0),
        ("/MSI:S", 10.0),
        ("/CR:L/IR:L/AR:L", 8.9),
        ("/MVC:N/MVI:N/MVA:N", 0.0),
    ],
)
def test_threat_and_environment_count_where_they_are_said(more: str, said: float) -> None:
    assert score(BARE + more) == said


@pytest.mark.parametrize(
    "vector",
    [
        "",
        "7.5",
        "CVSS:4.0",
        "CVSS:4.0/AV:N",
        BARE.replace("4.0", "4.1"),
        BARE.replace("/SA:N", ""),
        BARE.replace("AV:N", "AV:Q"),
        BARE.replace("AV:N", "AV:"),
        BARE.replace("AV:N", "AV"),
        BARE.replace("SI:N", "SI:S"),
        BARE.replace("AV:N", "AV:X"),
        BARE + "/AV:N",
        BARE + "/E:U/E:A",
        BARE + "/E:AP",
        BARE + "/MVC:S",
        BARE + "/U:Blue",
        BARE + "/Z:N",
        BARE + "/",
        BARE.lower(),
    ],
)
def test_what_is_no_such_vector_has_no_score(vector: str) -> None:
    assert score(vector) is None


def test_every_set_has_a_score_and_no_set_scores_more_than_one_that_is_worse_in_one_class() -> None:
    sizes = [len(kinds) for _, kinds in CLASSES]
    places = list(itertools.product(*(range(size) for size in sizes)))
    scores = dict(zip(places, SCORES, strict=True))

    higher = [
        (place, number, lower)
        for place in places
        for number, level in enumerate(place)
        for lower in BELOW[number].get(level, ())
        if scores[(*place[:number], lower, *place[number + 1 :])] > scores[place]
    ]

    assert len(places) == 270
    assert higher == []
