"""CVSS by the standard's own examples; words where there is no vector; and nothing is harmless by silence."""

from __future__ import annotations

import pytest

from surefoot_server.findings.severity import Severity, base_score, severity_of


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
        ("CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", 7.5),
        ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8),
        ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N", 0.0),
        ("CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:L/A:N", 3.7),
    ],
)
def test_a_vector_scores_as_its_publisher_says(vector: str, score: float) -> None:
    assert base_score(vector) == score


@pytest.mark.parametrize(
    "vector", ["", "7.5", "CVSS:4.0/AV:N", "CVSS:3.1/AV:N", "CVSS:3.1/AV:Q/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"]
)
def test_what_is_no_such_vector_has_no_score(vector: str) -> None:
    assert base_score(vector) is None


def test_the_worst_vector_counts_and_else_the_word() -> None:
    two = ["CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:L/A:N", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"]

    assert severity_of(two, "LOW") == (Severity.CRITICAL, 9.8)
    assert severity_of(["CVSS:4.0/AV:N"], "MODERATE") == (Severity.MEDIUM, None)
    assert severity_of(["CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N"]) == (Severity.MEDIUM, 6.9)
    assert severity_of([*two, "CVSS:4.0/AV:P/AC:H/AT:P/PR:H/UI:A/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N"])[1] == 9.8
    assert severity_of([], "unimportant") == (Severity.LOW, None)


def test_a_malformed_vector_of_the_newest_standard_is_no_more_than_its_word() -> None:
    assert severity_of(["CVSS:4.0/AV:N/AV:N"]) == (Severity.UNRATED, None)
    assert severity_of(["CVSS:5.0/AV:N"], "HIGH") == (Severity.HIGH, None)


@pytest.mark.parametrize("word", ["", "not yet assigned", "end-of-life"])
def test_without_either_it_is_unrated_and_never_harmless(word: str) -> None:
    assert severity_of([], word) == (Severity.UNRATED, None)
