"""OSV records: what they are about, and which versions they hit, by the schema's own rules."""

from __future__ import annotations

import pytest

from surefoot_server.findings.osv import hits, parse
from surefoot_server.findings.severity import Severity
from surefoot_shared.errors import Invalid
from surefoot_shared.wire import Json
from tests.server.findings.bills import record


def test_a_record_becomes_one_value_for_each_package_that_can_be_matched() -> None:
    affected: Json = [
        {"package": {"ecosystem": "PyPI", "name": "Requests"}, "versions": ["2.0"]},
        {"package": {"ecosystem": "PyPI", "name": "requests"}, "versions": ["2.1"]},
        {"package": {"ecosystem": "Debian:12", "name": "requests"}, "versions": ["2.28.1-1"]},
        {"package": {"ecosystem": "Debian", "name": "requests"}},
        {"package": {"ecosystem": "npm", "name": "request"}},
        {"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]},
    ]

    name, about = parse({"id": "CVE-1", "affected": affected, "aliases": ["GHSA-1"]})

    assert name == "CVE-1"
    assert [(v.ecosystem, v.package, v.versions, v.aliases) for v in about] == [
        ("PyPI", "requests", ("2.0", "2.1"), ("GHSA-1",)),
        ("Debian:12", "requests", ("2.28.1-1",), ("GHSA-1",)),
    ]


def test_severity_comes_from_the_vector_the_package_or_the_word_of_the_source() -> None:
    vector: Json = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
    debian = record(ecosystem="Debian:12", severity="")
    debian["affected"][0]["ecosystem_specific"] = {"urgency": "unimportant"}  # type: ignore[index,call-overload]
    debian.pop("database_specific")

    found = [parse(each)[1][0].severity for each in (record(), debian)]

    assert found == [Severity.HIGH, Severity.LOW]
    assert parse({**record(), "severity": vector})[1][0].severity is Severity.CRITICAL


def test_a_withdrawn_record_is_about_nothing_any_more() -> None:
    assert parse(record(withdrawn="2026-01-01T00:00:00Z")) == ("GHSA-1", ())


@pytest.mark.parametrize("value", [[], {}, {"id": ""}, {"id": "x" * 81}, {"id": "x", "affected": [{"versions": [1]}]}])
def test_what_is_no_record_is_refused(value: Json) -> None:
    with pytest.raises(Invalid):
        parse(value)


BRANCHES = [[["introduced", "0"], ["fixed", "1.5"], ["introduced", "2.0"], ["fixed", "2.3"]]]


@pytest.mark.parametrize(
    ("version", "hit"),
    [("1.4", True), ("1.5", False), ("1.10", False), ("2.0", True), ("2.2.9", True), ("2.3", False), ("2.0rc1", False)],
)
def test_each_branch_has_its_own_fix(version: str, hit: bool) -> None:
    assert hits("PyPI", version, BRANCHES, []) is hit


def test_events_in_any_order_mean_the_same() -> None:
    shuffled = [list(reversed(BRANCHES[0]))]

    assert [hits("PyPI", v, shuffled, []) for v in ("1.4", "1.7", "2.1")] == [True, False, True]


def test_the_last_affected_version_is_affected_and_the_next_is_not() -> None:
    ranges = [[["introduced", "1.0"], ["last_affected", "1.4"]]]

    assert [hits("PyPI", v, ranges, []) for v in ("0.9", "1.4", "1.4.1")] == [False, True, False]


def test_debians_security_version_fixes() -> None:
    ranges = [[["introduced", "0"], ["fixed", "3.0.11-1~deb12u2"]]]

    assert hits("Debian:12", "3.0.11-1~deb12u1", ranges, [])
    assert not hits("Debian:12", "3.0.11-1~deb12u2", ranges, [])


def test_a_listed_version_is_hit_however_it_is_written_and_an_odd_one_only_by_its_name() -> None:
    assert hits("PyPI", "1.0", [], ["1.0.0"])
    assert hits("PyPI", "odd version", BRANCHES, ["odd version"])
    assert not hits("PyPI", "odd version", BRANCHES, ["1.0"])
