"""From the bill of a release to what a channel says of it: findings, waivers, imports and what follows from them."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from surefoot_server.audit import service as audit
from surefoot_server.channels import service as channels
from surefoot_server.feedback import repository as feedback
from surefoot_server.findings import repository, service
from surefoot_shared.errors import Conflict, Invalid, NotFound
from tests.server.findings.bills import (
    CUDA,
    OPENSSL,
    REQUESTS,
    bill,
    envelope,
    importer,
    lay,
    make,
    publish,
    record,
    statement,
    with_bill,
)
from tests.server.rig import NOW, Rig, digest, later
from tests.server.rollouts.fleet import Fleet


def found(rig: Rig, release: str = "app/1.1") -> list[str]:
    with rig.db.read() as session:
        scanned = service.scanned(session, release, NOW)
    assert scanned is not None
    return [f.id for f in scanned.findings]


def test_a_bill_is_published_with_its_release_and_looked_up(rig: Rig, tmp_path: Path) -> None:
    importer(rig).take([record()], "all.zip", "ann", NOW)

    publish(rig, make(rig, tmp_path, bill(REQUESTS, OPENSSL, CUDA)))

    with rig.db.read() as session:
        scanned = service.scanned(session, "app/1.1", later(86_400))
    assert scanned is not None
    assert (scanned.parts, scanned.judged, [f.id for f in scanned.findings]) == (3, 2, ["GHSA-1"])
    assert scanned.ages_s == {"PyPI": pytest.approx(3 * 86_400 + 2 * 3600), "Debian": None}


def test_a_release_whose_bill_is_not_there_is_not_published(rig: Rig, tmp_path: Path) -> None:
    shelf = make(rig, tmp_path, bill(REQUESTS))
    for name, raw in shelf.blobs.items():
        rig.state.blobs.put(name, raw)

    with pytest.raises(Conflict, match="1 of the release's files are not on the server"):
        rig.state.releases.publish(shelf.role, shelf.manifest, "ann", NOW)


def test_a_waiver_takes_a_finding_away_until_its_end_or_its_withdrawal(rig: Rig) -> None:
    rig.release("app/1.1")
    importer(rig).take([record(aliases=["CVE-2026-1"])], "all.zip", "ann", NOW)
    with_bill(rig, "app/1.1", REQUESTS)

    with rig.db.write() as session:
        row = service.waive(session, "app/1.1", "CVE-2026-1", "not reachable", 3600, "bob", NOW)
        waiver = row.id or 0

    def waived(seconds: float) -> bool:
        with rig.db.read() as session:
            scanned = service.scanned(session, "app/1.1", later(seconds))
        assert scanned is not None
        return scanned.findings[0].waiver is not None

    assert [waived(10), waived(3601)] == [True, False]
    with rig.db.write() as session:
        service.withdraw_waiver(session, waiver, "ann", later(20))
        rows = audit.entries(session, "release:app/1.1")
    assert not waived(30)
    assert [(r.action, r.actor) for r in rows[:2]] == [("waiver.withdraw", "ann"), ("release.waive", "bob")]


def test_what_is_no_finding_cannot_be_waived(rig: Rig) -> None:
    rig.release("app/1.1")
    with_bill(rig, "app/1.1", REQUESTS)

    with rig.db.write() as session, pytest.raises(NotFound, match=r"'CVE-1' is no finding of app/1\.1"):
        service.waive(session, "app/1.1", "CVE-1", "why not", None, "bob", NOW)


def test_an_import_says_what_is_new_once(rig: Rig) -> None:
    rig.release("app/1.1")
    with_bill(rig, "app/1.1", REQUESTS)
    take = importer(rig)

    taken = take.take([record(), {"id": 5}], "all.zip", "ann", NOW)  # type: ignore[list-item]
    first = take.finish("all.zip", 1, "ann", NOW)
    again = take.finish("all.zip", 1, "ann", NOW)

    assert taken == (1, 1)
    assert [(n.release, [f.id for f in n.findings], n.did) for n in first] == [("app/1.1", ["GHSA-1"], "nothing")]
    assert again == []
    with rig.db.read() as session:
        assert audit.entries(session, "release:app/1.1")[0].action == "release.finding"


def test_what_was_known_when_a_release_was_published_is_no_news(rig: Rig) -> None:
    rig.release("app/1.1")
    importer(rig).take([record()], "all.zip", "ann", NOW)
    with_bill(rig, "app/1.1", REQUESTS)

    assert importer(rig).finish("all.zip", 1, "ann", NOW) == []
    assert found(rig) == ["GHSA-1"]


def test_a_finding_of_what_runs_halts_its_rollout_where_the_channel_says_so(fleet: Fleet) -> None:
    with_bill(fleet.rig, "app/1.1", REQUESTS)
    with fleet.rig.db.write() as session:
        requires = "scan: {block: high, max_age: 365d, unrated: low, on_finding: halt}"
        channels.create(session, "dev", None, "all", "", "", "ann", fleet.now)
        channels.promote(session, "dev", "app/1.1", "ann", fleet.now)
        channels.change(session, "dev", None, "all", "", requires, "ann", fleet.now)
    rollout = fleet.start()
    take = importer(fleet.rig)

    take.take([record(severity="LOW")], "all.zip", "ann", fleet.now)
    take.finish("all.zip", 1, "ann", fleet.now)
    before = fleet.rollout(rollout).state
    take.take([record("GHSA-2")], "all.zip", "ann", fleet.now)
    (news,) = take.finish("all.zip", 1, "ann", fleet.now)

    assert (before, fleet.rollout(rollout).state, news.did) == ("running", "halted", "halt")
    with fleet.rig.db.read() as session:
        (advisory,) = feedback.advisories(session, "app/1.1")
    assert (advisory.reference, advisory.by) == ("GHSA-2", "ann")


def test_what_devices_run_and_something_bad_is_known_of_is_a_concern(fleet: Fleet) -> None:
    with_bill(fleet.rig, "app/1.0", REQUESTS)
    with_bill(fleet.rig, "app/1.2", REQUESTS)
    importer(fleet.rig).take([record(), record("GHSA-2", severity="LOW")], "all.zip", "ann", NOW)

    with fleet.rig.db.read() as session:
        (concern,) = service.concerns(session, NOW)

    assert concern.told == ("12 devices run app/1.0, which has GHSA-1 (high) in requests 2.31.0, fixed in 2.32.0.")


def test_a_channel_asks_for_bill_provenance_and_scan_and_a_waiver_answers(fleet: Fleet) -> None:
    rig = fleet.rig
    requires = "{sbom: true, provenance: true, scan: {max_age: 7d}}"
    with rig.db.write() as session:
        channels.create(session, "dev", None, "all", "", requires, "ann", NOW)

    def answers() -> dict[str, tuple[bool, str]]:
        with rig.db.read() as session:
            return {a.requirement: (a.met, a.said) for a in channels.readiness(session, "dev", "app/1.1", "ann", NOW)}

    assert {name for name, (met, _) in answers().items() if not met} == {"sbom", "provenance", "scan"}
    with_bill(rig, "app/1.1", REQUESTS)
    assert answers()["scan"][1] == "1 of 1 parts looked up; blocked by no advisories of PyPI were imported"
    importer(rig).take([record(aliases=["CVE-1"])], "all.zip", "ann", NOW)
    assert "blocked by CVE-1 (high) in requests" in answers()["scan"][1]
    with rig.db.write() as session:
        service.waive(session, "app/1.1", "CVE-1", "not reachable", None, "bob", NOW)
        service.waive(session, "app/1.1", "provenance", "built before we had it", None, "bob", NOW)
    assert all(met for met, _ in answers().values())
    assert answers()["provenance"][1] == "it has none (waived by bob: built before we had it)"
    with rig.db.write() as session:
        assert channels.promote(session, "dev", "app/1.1", "ann", NOW).evidence[2]["requirement"] == "provenance"


def test_a_channel_asks_for_a_builders_word_and_a_waiver_of_its_own_answers(fleet: Fleet) -> None:
    rig, ci = fleet.rig, Ed25519PrivateKey.generate()
    with rig.db.write() as session:
        channels.create(session, "dev", None, "all", "", "{builder: {keys: [ci]}}", "ann", NOW)
        channels.create(session, "lax", None, "all", "", "{builder: {unverified: warn}}", "ann", NOW)

    def answer(channel: str = "dev") -> tuple[bool, str]:
        with rig.db.read() as session:
            found = channels.readiness(session, channel, "app/1.1", "ann", NOW, rig.state.builders.judge)
        return next((a.met, a.said) for a in found if a.requirement == "builder")

    assert answer() == (False, "it has no provenance")
    with rig.db.write() as session:
        raw = envelope(statement(digest("app/1.1")), ci)
        service.attest(session, rig.state.blobs, "app/1.1", raw, "ci", NOW)
    assert answer() == (False, "its signature is by no known key")
    assert answer("lax") == (True, "its signature is by no known key; this channel only warns of it")
    with rig.db.write() as session, pytest.raises(Conflict, match="builder: its signature is by no known key"):
        channels.promote(session, "dev", "app/1.1", "ann", NOW, judge=rig.state.builders.judge)
    path = lay(rig, "lab", ci)
    assert answer() == (False, "verified by lab, not by any of ci")
    path.rename(path.with_name("ci.pem"))
    assert answer() == (True, "verified by ci")
    path.with_name("ci.pem").unlink()
    with rig.db.write() as session:
        service.waive(
            session, "app/1.1", "provenance", "a waiver of the statement is none of its signature", None, "b", NOW
        )
        assert not answer()[0]
        service.waive(session, "app/1.1", "builder", "built by hand", None, "bob", NOW)
    assert answer() == (True, "its signature is by no known key (waived by bob: built by hand)")


def test_what_a_statement_was_worth_when_it_came_is_in_the_trail(rig: Rig) -> None:
    rig.release("app/1.1")
    lay(rig, "ci", ci := Ed25519PrivateKey.generate())

    with rig.db.write() as session:
        raw = envelope(statement(digest("app/1.1")), ci)
        service.attest(session, rig.state.blobs, "app/1.1", raw, "ci", NOW, rig.state.builders.keys())
        detail = audit.entries(session, "release:app/1.1")[0].detail

    assert (detail["said"], detail["predicate"]) == ("verified by ci", "https://slsa.dev/provenance/v1")


@pytest.mark.parametrize("enveloped", [False, True])
def test_provenance_is_stored_when_it_is_about_the_release(rig: Rig, enveloped: bool) -> None:
    rig.release("app/1.1")
    raw = json.dumps(statement(digest("app/1.1"))).encode()
    if enveloped:
        payload = base64.b64encode(raw).decode()
        raw = json.dumps({"payloadType": "application/vnd.in-toto+json", "payload": payload, "signatures": []}).encode()

    with rig.db.write() as session:
        row = service.attest(session, rig.state.blobs, "app/1.1", raw, "ci", NOW)
        noted = audit.entries(session, "release:app/1.1")[0]

    assert rig.state.blobs.read(row.sha256, 0, 10_000) == raw
    assert (noted.action, noted.detail["builder"]) == ("release.attest", "https://ci.example/builder")
    with rig.db.write() as session, pytest.raises(Conflict, match="has a provenance statement"):
        service.attest(session, rig.state.blobs, "app/1.1", raw, "ci", NOW)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (json.dumps(statement(digest("app/1.0"))).encode(), "none of its subjects is app/1.1"),
        (json.dumps({**statement("0"), "predicateType": "https://spdx.dev/Document"}).encode(), "with predicate"),
        (b'{"payloadType": "application/vnd.in-toto+json", "payload": "%%%"}', "neither a statement nor a DSSE"),
        (b"[]", "neither a statement nor a DSSE"),
        (json.dumps({**statement("0"), "subject": 5}).encode(), "none of its subjects"),
    ],
)
def test_a_statement_about_something_else_is_refused(rig: Rig, raw: bytes, said: str) -> None:
    rig.release("app/1.1")

    with rig.db.write() as session, pytest.raises(Invalid, match=said) as refused:
        service.attest(session, rig.state.blobs, "app/1.1", raw, "ci", NOW)
    assert refused.value.kind == "provenance_unfit"


def test_data_that_claim_to_be_of_the_future_are_of_now(rig: Rig) -> None:
    importer(rig).take([record(modified="2099-01-01T00:00:00Z"), record("GHSA-3", modified="x")], "f", "ann", NOW)

    with rig.db.read() as session:
        assert [(s.ecosystem, s.newest) for s in repository.sources(session)] == [("PyPI", NOW)]
