"""`surefoot release scan`, `waive`, `unwaive`, `attest`."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.server.cli.conftest import Operator
from tests.server.findings.bills import (
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
)
from tests.server.rig import NOW, digest


def test_a_scan_ends_with_6_until_what_counts_is_waived(surefoot: Operator, tmp_path: Path) -> None:
    release = publish(surefoot.rig, make(surefoot.rig, tmp_path, bill(REQUESTS)))
    importer(surefoot.rig).take([record(aliases=["CVE-2026-1"], summary="leaks \x1b[31mred")], "f", "ann", NOW)
    (tmp_path / "provenance.json").write_text(json.dumps(statement(release.digest)))

    before = surefoot("release", "scan", "app/1.1")
    waived = surefoot("release", "waive", "app/1.1", "CVE-2026-1", "--reason", "not reachable", "--valid", "30d")
    after = surefoot("release", "scan", "app/1.1")

    assert (before.code, after.code) == (6, 0)
    assert "1 of 1 could be looked up" in before.out
    assert "CVE-2026-1  high" in before.out
    assert "\x1b" not in before.out
    assert "(waiver 1)" in waived.out
    assert "waived by admin" in after.out
    assert "is stored: it is not signed." in surefoot("release", "attest", "app/1.1", tmp_path / "provenance.json").out
    assert "Provenance  sha256" in surefoot("release", "scan", "app/1.1").out
    assert surefoot("release", "unwaive", "1").code == 0
    assert surefoot("release", "scan", "app/1.1").code == 6
    assert surefoot("release", "scan", "app/1.1", "--least", "critical").code == 0
    assert surefoot("release", "scan", "app/1.1", "--sbom").out == bill(REQUESTS).decode() + "\n"


def test_whose_key_verifies_the_provenance_is_said(surefoot: Operator, tmp_path: Path) -> None:
    surefoot.rig.release("app/1.0")
    lay(surefoot.rig, "ci", ci := Ed25519PrivateKey.generate())
    said = statement(digest("app/1.0")) | {"predicate": {"builder": {"id": "us \x1b[31mred"}}}
    (tmp_path / "provenance.json").write_bytes(envelope(said, ci))

    stored = surefoot("release", "attest", "app/1.0", tmp_path / "provenance.json").out
    told = surefoot("release", "scan", "app/1.0").out

    assert "is stored: verified by ci." in stored
    assert "verified by ci\nPredicate   https://slsa.dev/provenance/v1\nBuilder     us " in told
    assert "\x1b" not in told


def test_without_a_bill_or_without_advisories_it_says_what_to_do_and_ends_with_6(
    surefoot: Operator, tmp_path: Path
) -> None:
    surefoot.rig.release("app/1.0")
    publish(surefoot.rig, make(surefoot.rig, tmp_path, bill(OPENSSL)))

    without, unknown = surefoot("release", "scan", "app/1.0"), surefoot("release", "scan", "app/1.1")

    assert (without.code, unknown.code) == (6, 6)
    assert "--sbom FILE" in without.err
    assert "No advisories of Debian were imported: surefoot advisory import FILE" in unknown.err


def test_what_is_unknown_ends_with_3_and_what_cannot_be_read_with_2(surefoot: Operator, tmp_path: Path) -> None:
    surefoot.rig.release("app/1.0")

    assert surefoot("release", "scan", "app/9").code == 3
    assert surefoot("release", "waive", "app/1.0", "CVE-1", "--reason", "x").code == 3
    assert surefoot("release", "attest", "app/1.0", tmp_path / "none.json").code == 2
