"""Parts meet records by ecosystem and package, and a newer record takes the older one's place."""

from __future__ import annotations

from surefoot_server.findings import osv, repository
from tests.server.findings.bills import OPENSSL, REQUESTS, record, with_bill
from tests.server.rig import Rig


def store(rig: Rig, *records: dict[str, object]) -> None:
    read = dict(osv.parse(each) for each in records)  # type: ignore[arg-type]
    with rig.db.write() as session:
        repository.replace(session, list(read), [v for about in read.values() for v in about])


def test_each_part_meets_the_records_of_its_package_alone(rig: Rig) -> None:
    rig.release("app/1.1")
    with_bill(rig, "app/1.1", REQUESTS, OPENSSL)
    store(
        rig,
        record("GHSA-1"),
        record("CVE-2", "openssl", "Debian:12"),
        record("CVE-3", "openssl", "Debian:11"),
        record("GHSA-4", "idna"),
    )

    with rig.db.read() as session:
        found = [(part.package, known.osv_id) for part, known in repository.known_of(session, "app/1.1")]
        assert repository.counts(session) == {"Debian:11": 1, "Debian:12": 1, "PyPI": 2}
    assert found == [("requests", "GHSA-1"), ("openssl", "CVE-2")]


def test_a_record_replaces_its_older_self_and_a_withdrawn_one_takes_it_away(rig: Rig) -> None:
    store(rig, record("GHSA-1", fixed="1.0"), record("GHSA-2"))
    store(rig, record("GHSA-1", fixed="9.0"), record("GHSA-2", withdrawn="2026-01-01T00:00:00Z"))

    rig.release("app/1.1")
    with_bill(rig, "app/1.1", REQUESTS)
    with rig.db.read() as session:
        ((_, known),) = repository.known_of(session, "app/1.1")
    assert known.ranges == [[["introduced", "0"], ["fixed", "9.0"]]]
