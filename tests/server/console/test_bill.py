"""What a release is made of: counted by severity, what is missing said, what is waived apart."""

from __future__ import annotations

from surefoot_server.console import bill
from surefoot_server.console.bill import ROWS, Age, Bill
from surefoot_server.findings import service
from surefoot_server.findings.matching import Finding, Scanned, Waived
from surefoot_server.findings.provenance import Attested, Standing
from surefoot_server.findings.severity import Severity
from tests.server.findings.bills import CUDA, OPENSSL, REQUESTS, importer, record, with_bill
from tests.server.rig import NOW, Rig


def read(rig: Rig) -> Bill:
    with rig.db.read() as session:
        return bill.read(session, "app/1.1", NOW)


def test_a_release_without_a_bill_has_nothing_that_could_look_like_a_pass(rig: Rig) -> None:
    rig.release("app/1.1")

    assert read(rig) == Bill(None, None, None)


def test_findings_are_counted_and_what_could_not_be_looked_up_is_said(rig: Rig) -> None:
    rig.release("app/1.1")
    with_bill(rig, "app/1.1", REQUESTS, OPENSSL, CUDA)
    importer(rig).take([record(), record("GHSA-2", severity="LOW")], "all.zip", "ann", NOW)

    found = read(rig)

    assert found.counts == (("high", 1), ("low", 1))
    assert [f.id for f in found.findings] == ["GHSA-1", "GHSA-2"]
    assert (found.scan.parts if found.scan else 0, found.unjudged) == (3, 1)
    assert [(age.ecosystem, age.age_s is None) for age in found.ages] == [("Debian", True), ("PyPI", False)]
    assert found.sbom is not None
    assert found.provenance is None


def test_a_waived_finding_counts_apart(rig: Rig) -> None:
    rig.release("app/1.1")
    with_bill(rig, "app/1.1", REQUESTS)
    importer(rig).take([record()], "all.zip", "ann", NOW)
    with rig.db.write() as session:
        service.waive(session, "app/1.1", "GHSA-1", "not reachable", None, "ann", NOW)

    found = read(rig)

    assert (found.counts, found.findings, found.waived) == ((), (), 1)


def test_what_the_provenance_is_worth_is_asked_of_the_judge(rig: Rig) -> None:
    rig.release("app/1.1")

    with rig.db.read() as session:
        found = bill.read(session, "app/1.1", NOW, lambda _s, release: Attested(Standing.VERIFIED, (release,)))

    assert found.attested == Attested(Standing.VERIFIED, ("app/1.1",))


def test_only_the_worst_are_listed_and_the_rest_are_counted() -> None:
    def finding(number: int, waiver: Waived | None = None) -> Finding:
        return Finding((f"CVE-{number}",), "PyPI", "requests", "1", Severity.HIGH, None, (), "", waiver)

    waived = finding(99, Waived("CVE-99", "ann", "no", None))
    found = bill.of(None, None, Scanned(5, 5, {"PyPI": 60.0}, [*(finding(n) for n in range(ROWS + 3)), waived]))

    assert (len(found.findings), found.more, found.waived) == (ROWS, 3, 1)
    assert found.ages == (Age("PyPI", 60.0),)
