"""`surefoot audit`: who did what, and whether the record is whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.server.audit.tampering import unlock
from tests.server.cli.conftest import Operator


def test_the_list_names_who_did_what_to_which_thing(surefoot: Operator) -> None:
    surefoot("cohort", "create", "lab", "all")

    said = surefoot("audit", "list", "--object", "cohort:lab")

    assert len(said.out.splitlines()) == 2
    assert "cohort.create" in said.out
    assert "admin-" in said.out


def test_the_list_takes_who_what_and_when(surefoot: Operator) -> None:
    surefoot("cohort", "create", "lab", "all")

    first = surefoot("audit", "list", "--action", "cohort", "--text", "all", "--since", "2026-01-01")
    none = surefoot("audit", "list", "--actor", "nobody")

    assert len(first.out.splitlines()) == 2
    assert len(none.out.splitlines()) == 1


def test_entries_are_written_to_a_file_the_oldest_first(surefoot: Operator, tmp_path: Path) -> None:
    surefoot("cohort", "create", "lab", "all")

    said = surefoot("audit", "export", "-o", tmp_path / "audit.jsonl")

    rows = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert said.code == 0
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1]["action"] == "cohort.create"


def test_an_export_that_is_refused_says_why(surefoot: Operator, tmp_path: Path) -> None:
    said = surefoot("audit", "export", "--until", "yesterday", "-o", tmp_path / "audit.jsonl")

    assert said.code == 2
    assert not (tmp_path / "audit.jsonl").exists()


def test_a_whole_record_is_said_to_be_whole(surefoot: Operator) -> None:
    said = surefoot("audit", "verify")

    assert said.code == 0
    assert "whole" in said.out


def test_an_altered_record_exits_with_8(surefoot: Operator) -> None:
    surefoot("cohort", "create", "lab", "all")
    with surefoot.rig.db.write() as session:
        unlock(session)
        session.connection().execute(sa.text("UPDATE audit_entry SET actor = 'nobody' WHERE seq = 1"))

    said = surefoot("audit", "verify")

    assert said.code == 8
    assert "altered" in said.out


def checkpoint(surefoot: Operator, tmp_path: Path) -> Path:
    surefoot("cohort", "create", "lab", "all")
    file = tmp_path / "checkpoint.json"
    file.write_text(surefoot("audit", "checkpoint").out)
    return file


def test_a_record_leads_through_a_checkpoint_that_was_kept(surefoot: Operator, tmp_path: Path) -> None:
    file = checkpoint(surefoot, tmp_path)
    surefoot("cohort", "create", "field", "all")

    said = surefoot("audit", "verify", "--checkpoint", file)

    assert said.code == 0
    assert "entries, whole" in said.out


def test_a_record_that_was_cut_off_exits_with_8_and_says_which_entries_are_gone(
    surefoot: Operator, tmp_path: Path
) -> None:
    file = checkpoint(surefoot, tmp_path)
    size = json.loads(file.read_text())["size"]
    with surefoot.rig.db.write() as session:
        unlock(session)
        session.connection().execute(sa.text(f"DELETE FROM audit_entry WHERE seq = {size}"))

    assert surefoot("audit", "verify").code == 0
    said = surefoot("audit", "verify", "--checkpoint", file)

    assert said.code == 8
    assert f"rows {size} to {size}" in said.out


@pytest.mark.parametrize("spoil", [{"head": "0" * 64}, {"size": 1}, {"key": "no key"}, {"signature": ""}])
def test_a_checkpoint_that_somebody_changed_proves_nothing(
    surefoot: Operator, tmp_path: Path, spoil: dict[str, object]
) -> None:
    file = checkpoint(surefoot, tmp_path)
    file.write_text(json.dumps(json.loads(file.read_text()) | spoil))

    assert surefoot("audit", "verify", "--checkpoint", file).code in (2, 8)
