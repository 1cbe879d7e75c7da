"""Findings: the same flaw is told once, and a channel's bounds say what blocks and what is only told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot_server.findings.matching import Bound, Finding, Scan, Scanned, Waived, lacks, merged
from surefoot_server.findings.severity import Severity

ONE = Finding(("GHSA-1", "CVE-1"), "PyPI", "requests", "2.31.0", Severity.MEDIUM, 5.0, ("2.32.0",), "")
SAME = Finding(("PYSEC-1", "CVE-1"), "PyPI", "requests", "2.31.0", Severity.HIGH, 8.0, ("2.32.1",), "it leaks")
OTHER = Finding(("GHSA-2",), "PyPI", "idna", "3.0", Severity.LOW, None, (), "")


def test_records_of_the_same_flaw_are_one_finding_with_the_worst_severity() -> None:
    found = merged([OTHER, ONE, SAME], [])

    assert [f.ids for f in found] == [("CVE-1", "GHSA-1", "PYSEC-1"), ("GHSA-2",)]
    assert (found[0].severity, found[0].summary, found[0].fixed) == (Severity.HIGH, "it leaks", ("2.32.0", "2.32.1"))
    assert "CVE-1 (high) in requests 2.31.0, fixed in 2.32.0, 2.32.1" in found[0].told


def test_two_flaws_that_a_third_record_names_both_become_one() -> None:
    bridge = replace(ONE, ids=("DSA-1", "GHSA-1", "GHSA-9"))

    assert len(merged([ONE, replace(ONE, ids=("GHSA-9",)), bridge], [])) == 1


def test_a_waiver_by_any_name_counts_and_stays_visible() -> None:
    (found,) = merged([ONE, SAME], [Waived("PYSEC-1", "ann", "not reachable", None)])

    assert found.waiver is not None
    assert not Scan(block=Bound.LOW).blocks(found)
    assert not Scan(block=Bound.NEVER).warns(found)


@pytest.mark.parametrize(
    ("bound", "blocked"),
    [(Bound.LOW, True), (Bound.MEDIUM, True), (Bound.HIGH, False), (Bound.CRITICAL, False), (Bound.NEVER, False)],
)
def test_a_finding_blocks_from_the_bound_on_and_is_told_below(bound: Bound, blocked: bool) -> None:
    scan = Scan(block=bound)

    assert scan.blocks(ONE) is blocked
    assert scan.warns(ONE) is not blocked


def test_an_unrated_finding_counts_as_the_channel_says() -> None:
    unrated = replace(ONE, severity=Severity.UNRATED)

    assert Scan().blocks(unrated)
    assert Scan(unrated=Bound.LOW).warns(unrated)
    assert not Scan(unrated=Bound.NEVER).warns(unrated)


def test_missing_and_old_data_block_as_a_finding_does() -> None:
    found = Scanned(10, 8, {"PyPI": 86_400.0, "Debian": None})

    assert lacks(Scan(), found) == (["no advisories of Debian were imported"], [])
    assert lacks(Scan(max_age_s=3600), replace(found, ages_s={"PyPI": 2 * 86_400.0}))[0] == [
        "the advisories of PyPI are 2 days old, more than 0.0416667 days"
    ]
