"""Findings over HTTP: who may look, who may decide, and what comes back."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from surefoot_server.access.roles import Role
from tests.server.findings.bills import REQUESTS, bill, envelope, lay, make, publish, record, statement
from tests.server.rig import Rig, digest


def test_from_import_to_waiver_over_http(rig: Rig, tmp_path: Path) -> None:
    shelf = make(rig, tmp_path, bill(REQUESTS))
    release = publish(rig, shelf)
    client, at = rig.client(Role.RELEASER), "/api/v1/releases/app/1.1"

    taken = client.post("/api/v1/vulnerabilities", json={"records": [record()], "file": "all.zip"})
    news = client.post("/api/v1/vulnerabilities/finish", json={"records": 1, "file": "all.zip"}).json()
    attested = client.post(f"{at}/provenance", content=json.dumps(statement(release.digest)))
    waiver = client.post(f"{at}/waivers", json={"about": "GHSA-1", "reason": "not reachable", "valid_s": 3600}).json()

    assert (taken.json(), attested.status_code) == ({"taken": 1, "unreadable": 0}, 201)
    assert [(n["release"], n["does"], n["findings"][0]["id"]) for n in news] == [("app/1.1", "nothing", "GHSA-1")]
    viewer = rig.client(Role.VIEWER)
    scan = viewer.get(f"{at}/findings").json()
    assert (scan["parts"], scan["judged"], scan["findings"][0]["waiver"]["reason"]) == (1, 1, "not reachable")
    assert scan["provenance"] == attested.json()["sha256"]
    assert viewer.get(f"{at}/documents/sbom").content == bill(REQUESTS)
    assert viewer.get(f"{at}/documents/recipe").status_code == 404
    assert client.post(f"/api/v1/waivers/{waiver['id']}/withdraw").json()["withdrawn_at"] is not None
    (source,) = viewer.get("/api/v1/vulnerabilities/sources").json()
    assert (source["ecosystem"], source["records"], source["file"]) == ("PyPI", 1, "all.zip")
    assert viewer.get("/api/v1/findings").json() == []


def test_an_operator_may_look_and_not_waive_import_or_attest(rig: Rig) -> None:
    rig.release("app/1.1")
    client, at = rig.client(Role.OPERATOR), "/api/v1/releases/app/1.1"

    assert client.get(f"{at}/findings").json()["sbom"] is None
    assert client.post(f"{at}/waivers", json={"about": "sbom", "reason": "x"}).status_code == 403
    assert client.post("/api/v1/vulnerabilities", json={"records": [], "file": "x"}).status_code == 403
    assert client.post(f"{at}/provenance", content=b"{}").status_code == 403


def test_whose_key_verifies_a_statement_is_told_over_http(rig: Rig) -> None:
    rig.release("app/1.1")
    client, at, ci = rig.client(Role.RELEASER), "/api/v1/releases/app/1.1", Ed25519PrivateKey.generate()
    path = lay(rig, "ci", ci)

    posted = client.post(f"{at}/provenance", content=envelope(statement(digest("app/1.1")), ci)).json()
    read = client.get(f"{at}/findings").json()
    path.unlink()
    later = client.get(f"{at}/findings").json()

    assert posted["attested"] == read["attested"]
    assert read["attested"] == {
        "standing": "verified",
        "told": "verified by ci",
        "keys": ["ci"],
        "predicate_type": "https://slsa.dev/provenance/v1",
        "builder": "https://ci.example/builder",
        "signatures": 1,
    }
    assert (later["attested"]["standing"], later["attested"]["keys"]) == ("unknown", [])


def test_a_channel_asks_the_keys_that_the_server_has_over_http(rig: Rig) -> None:
    rig.release("app/1.1")
    client, at, ci = rig.client(), "/api/v1/channels", Ed25519PrivateKey.generate()
    client.post(at, json={"name": "dev", "cohort": "all", "requires": "{builder: {}}"})
    client.post("/api/v1/releases/app/1.1/provenance", content=envelope(statement(digest("app/1.1")), ci))

    refused = client.post(f"{at}/dev/promote", json={"release": "app/1.1"})
    lay(rig, "ci", ci)
    ready = client.get(f"{at}/dev/ready", params={"release": "app/1.1"}).json()
    taken = client.post(f"{at}/dev/promote", json={"release": "app/1.1"})

    assert (refused.status_code, taken.status_code) == (409, 201)
    assert {"requirement": "builder", "met": True, "said": "verified by ci"} in ready


def test_a_statement_that_is_too_large_is_refused(rig: Rig) -> None:
    rig.release("app/1.1")

    answer = rig.client(Role.RELEASER).post("/api/v1/releases/app/1.1/provenance", content=b" " * (4 * 1024 * 1024 + 1))

    assert (answer.status_code, answer.json()["kind"]) == (413, "too_large")
