"""`surefoot advisory`: OSV files without a network, and the advisories against releases."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from tests.server.cli.conftest import Operator
from tests.server.findings.bills import REQUESTS, record, with_bill


def archive(folder: Path, *records: dict[str, object]) -> Path:
    file = folder / "all.zip"
    with zipfile.ZipFile(file, "w") as made:
        for each in records:
            made.writestr(f"{each['id']}.json", json.dumps(each))
        made.writestr("README.txt", "not a record")
    return file


def test_an_archive_is_imported_and_what_is_new_is_said(surefoot: Operator, tmp_path: Path) -> None:
    surefoot.rig.release("app/1.1")
    with_bill(surefoot.rig, "app/1.1", REQUESTS)
    foreign = record("GHSA-9", ecosystem="npm")

    said = surefoot("advisory", "import", archive(tmp_path, record(), foreign))  # type: ignore[arg-type]

    assert said.out.splitlines() == [
        "1 record imported.",
        "app/1.1: GHSA-1 (high) in requests 2.31.0; 0 devices run it.",
    ]
    assert surefoot("advisory", "sources").out.splitlines()[1].split()[:2] == ["PyPI", "1"]
    assert surefoot("advisory", "concerns").out == "Nothing is known of what devices run.\n"


def test_a_single_record_or_a_list_is_taken_as_well(surefoot: Operator, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(record()))
    (tmp_path / "two.json").write_text(json.dumps([record("GHSA-2"), record("GHSA-3")]))

    assert surefoot("advisory", "import", tmp_path / "one.json").out.startswith("1 record imported.")
    assert surefoot("advisory", "import", tmp_path / "two.json").out.startswith("2 records imported.")


def test_what_holds_no_record_ends_with_2(surefoot: Operator, tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("{}")
    (tmp_path / "broken.json").write_text("{")

    for name in ("none.json", "broken.json"):
        assert surefoot("advisory", "import", tmp_path / name).code == 2


def test_advisories_against_releases_are_listed_and_withdrawn(surefoot: Operator) -> None:
    surefoot.rig.release("app/1.1")
    surefoot("release", "advisory", "app/1.1", "--reason", "it leaks", "--reference", "CVE-1")

    listed = surefoot("advisory", "list")
    surefoot("advisory", "withdraw", "1")

    assert "CVE-1 it leaks" in listed.out
    assert "withdrawn" in surefoot("advisory", "list").out
    assert surefoot("advisory", "withdraw", "9").code == 3
