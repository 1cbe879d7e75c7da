"""The pages of releases: what they say, and who may promote, flag and advise."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from surefoot_server.access.roles import Role
from surefoot_server.channels import repository as channels
from surefoot_server.channels import service as promotion
from surefoot_server.feedback import repository as feedback
from surefoot_server.findings import service as findings
from surefoot_server.releases import repository as releases
from tests.server.console.browser import browser
from tests.server.findings import bills
from tests.server.releases import shelf
from tests.server.rig import NOW, Rig


@pytest.fixture
def fleet(rig: Rig, tmp_path: Path) -> Rig:
    shelf.publish(rig, shelf.make(rig, tmp_path))
    with rig.db.write() as session:
        promotion.create(session, "dev", None, "all", "", "", "anna", NOW)
    return rig


def test_the_list_names_signatures_and_leads_to_the_release(fleet: Rig) -> None:
    text = browser(fleet).get("/releases").text

    assert '<a href="/releases/app/1.1">' in text
    assert "signed by 1 of 1, 1 needed" in text


def test_the_page_names_the_whole_digest_and_the_commands_of_the_keys(fleet: Rig) -> None:
    with fleet.db.read() as session:
        digest = releases.get(session, "app/1.1").digest

    text = browser(fleet).get("/releases/app/1.1").text

    assert digest in text
    assert "surefoot release withdraw app/1.1" in text


def test_a_releaser_promotes_what_is_ready(fleet: Rig) -> None:
    page = browser(fleet, Role.RELEASER)
    assert "Promote to dev" in page.get("/releases/app/1.1").text

    answer = page.post("/releases/app/1.1/promote", data={"channel": "dev"}, follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (303, "/releases/app/1.1")
    with fleet.db.read() as session:
        assert channels.entry(session, "dev", "app/1.1") is not None
    assert "Promote to dev" not in page.get("/releases/app/1.1").text


def test_what_is_not_ready_is_refused_with_the_requirement(fleet: Rig) -> None:
    with fleet.db.write() as session:
        promotion.create(session, "staging", "dev", "all", "", "", "anna", NOW)

    answer = browser(fleet, Role.RELEASER).post("/releases/app/1.1/promote", data={"channel": "staging"})

    assert answer.status_code == 409
    assert "is not ready for staging" in answer.text


def test_an_operator_flags_and_advises_and_takes_both_back(fleet: Rig) -> None:
    page = browser(fleet, Role.OPERATOR)
    assert "Promote to dev" not in page.get("/releases/app/1.1").text

    page.post("/releases/app/1.1/flag", data={"reason": "green picture"})
    page.post("/releases/app/1.1/advisory", data={"reason": "leaks", "do": "halt", "reference": "CVE-2026-1"})
    text = page.get("/releases/app/1.1").text
    assert "green picture" in text
    assert "CVE-2026-1" in text
    page.post("/releases/app/1.1/flags/1/withdraw")
    page.post("/releases/app/1.1/advisories/1/withdraw")

    with fleet.db.read() as session:
        assert feedback.about(session, release_id="app/1.1") == []
        assert feedback.advisories(session, "app/1.1") == []


@pytest.mark.parametrize(
    ("act", "data"),
    [
        ("promote", {"channel": "dev"}),
        ("flag", {"reason": "x"}),
        ("advisory", {"reason": "x"}),
        ("flags/1/withdraw", {}),
        ("advisories/1/withdraw", {}),
    ],
)
def test_a_viewer_and_another_site_may_do_none_of_it(fleet: Rig, act: str, data: dict[str, str]) -> None:
    address = f"/releases/app/1.1/{act}"

    assert browser(fleet).post(address, data=data).status_code == 403
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert browser(fleet, Role.ADMIN).post(address, data=data, headers=elsewhere).status_code == 403


def test_a_release_shows_what_it_is_made_of_and_gives_the_bill_away(rig: Rig, tmp_path: Path) -> None:
    bills.publish(rig, bills.make(rig, tmp_path, bills.bill(bills.REQUESTS, bills.CUDA)))
    bills.importer(rig).take([bills.record(summary="<i>leaks</i>")], "all.zip", "ann", NOW)
    page = browser(rig)

    text = page.get("/releases/app/1.1").text
    given = page.get("/releases/app/1.1/documents/sbom")

    assert "GHSA-1" in text
    assert "&lt;i&gt;leaks&lt;/i&gt; · fixed in 2.32.0" in text
    assert "1 of them cannot be looked up" in text
    assert '<a href="/releases/app/1.1/documents/sbom">' in text
    assert given.content == bills.bill(bills.REQUESTS, bills.CUDA)
    assert given.headers["content-disposition"] == 'attachment; filename="app-1.1.sbom.json"'
    assert page.get("/releases/app/1.1/documents/provenance").status_code == 404
    assert "thành phần" in browser(rig, language="vi").get("/releases/app/1.1").text


def test_a_release_says_who_vouches_for_its_provenance_in_the_viewers_language(fleet: Rig) -> None:
    ci = Ed25519PrivateKey.generate()
    with fleet.db.read() as session:
        said = bills.statement(releases.get(session, "app/1.1").digest)
    raw = bills.envelope(said | {"predicate": {"builder": {"id": "<b>"}}}, ci)
    with fleet.db.write() as session:
        findings.attest(session, fleet.state.blobs, "app/1.1", raw, "ci", NOW)

    before = browser(fleet).get("/releases/app/1.1").text
    bills.lay(fleet, "ci", ci)
    after = browser(fleet).get("/releases/app/1.1").text

    assert "Provenance: its signature is by no known key" in before
    assert "Provenance: verified by ci" in after
    assert "<code>&lt;b&gt;</code>" in after
    assert "Chứng nhận nguồn gốc: được xác minh bởi ci" in browser(fleet, language="vi").get("/releases/app/1.1").text


def test_a_release_without_a_bill_says_that_nothing_is_known_of_its_parts(fleet: Rig) -> None:
    text = browser(fleet).get("/releases/app/1.1").text

    assert "published without a bill of materials" in text
    assert "nothing is known against" not in text


def test_without_releases_the_page_names_the_commands(rig: Rig) -> None:
    assert "surefoot release build" in browser(rig).get("/releases").text
