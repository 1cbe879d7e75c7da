"""`surefoot release evidence`."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.server.cli.conftest import Operator
from tests.server.findings.bills import REQUESTS, bill, make, publish


def test_evidence_is_an_archive_or_a_folder_whose_sums_hold(surefoot: Operator, tmp_path: Path) -> None:
    publish(surefoot.rig, make(surefoot.rig, tmp_path, bill(REQUESTS)))

    archive = surefoot("release", "evidence", "app/1.1", "-o", tmp_path / "a" / "evidence.zip")
    folder = surefoot("release", "evidence", "app/1.1", "-o", tmp_path / "b")

    assert (archive.code, folder.code) == (0, 0)
    assert (tmp_path / "a" / "evidence.zip").stat().st_size > 1000
    checked = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path / "b", capture_output=True, check=False)
    assert checked.returncode == 0
    assert (tmp_path / "b" / "sbom.cdx.json").read_bytes() == bill(REQUESTS)


def test_nothing_is_overwritten_and_json_is_printed(surefoot: Operator, tmp_path: Path) -> None:
    publish(surefoot.rig, make(surefoot.rig, tmp_path, None))
    (tmp_path / "evidence.zip").write_text("mine")

    refused = surefoot("release", "evidence", "app/1.1", "-o", tmp_path / "evidence.zip")
    printed = surefoot("release", "evidence", "app/1.1", "--json").json

    assert refused.code == 5
    assert (tmp_path / "evidence.zip").read_text() == "mine"
    assert isinstance(printed, dict)
    assert printed["documents"] == []
    assert surefoot("release", "evidence", "app/9", "-o", tmp_path / "none.zip").code == 3
