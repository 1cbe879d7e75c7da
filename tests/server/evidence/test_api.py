"""The evidence over HTTP."""

from __future__ import annotations

import hashlib
import io
import zipfile

from surefoot_server.access.roles import Role
from tests.server.evidence.conftest import RELEASE
from tests.server.findings.bills import REQUESTS, bill
from tests.server.rollouts.fleet import Fleet


def test_the_archive_holds_what_it_speaks_of_and_is_the_same_twice(told: Fleet) -> None:
    client = told.rig.client(Role.VIEWER)

    first = client.get(f"/api/v1/releases/{RELEASE}/evidence.zip")
    again = client.get(f"/api/v1/releases/{RELEASE}/evidence.zip")

    assert first.headers["content-type"] == "application/zip"
    assert first.content == again.content
    with zipfile.ZipFile(io.BytesIO(first.content)) as archive:
        assert archive.testzip() is None
        assert archive.read("sbom.cdx.json") == bill(REQUESTS)
        manifest, text = archive.read("manifest.json"), archive.read("summary.md").decode()
        assert "provenance.json" in archive.namelist()
    digest = client.get(f"/api/v1/releases/{RELEASE}").json()["digest"]
    assert hashlib.sha256(manifest).hexdigest() == digest
    assert "CVE-2026-1" in text
    assert "not \\| reachable" in text
    assert "### r1: held" in text


def test_a_release_that_is_not_there_has_none(told: Fleet) -> None:
    client = told.rig.client(Role.VIEWER)

    assert client.get("/api/v1/releases/app/9.9/evidence").status_code == 404
    assert client.get("/api/v1/releases/app/9.9/evidence.zip").status_code == 404
    assert client.get(f"/api/v1/releases/{RELEASE}/evidence").json()["v"] == 1
