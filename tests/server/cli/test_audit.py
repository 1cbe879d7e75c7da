"""`surefoot audit`: who did what, and whether the record is whole."""

from __future__ import annotations

import sqlalchemy as sa

from tests.server.cli.conftest import Operator


def test_the_list_names_who_did_what_to_which_thing(surefoot: Operator) -> None:
    surefoot("cohort", "create", "lab", "all")

    said = surefoot("audit", "list", "--object", "cohort:lab")

    assert len(said.out.splitlines()) == 2
    assert "cohort.create" in said.out
    assert "admin-" in said.out


def test_a_whole_record_is_said_to_be_whole(surefoot: Operator) -> None:
    said = surefoot("audit", "verify")

    assert said.code == 0
    assert "whole" in said.out


def test_an_altered_record_exits_with_8(surefoot: Operator) -> None:
    surefoot("cohort", "create", "lab", "all")
    with surefoot.rig.db.write() as session:
        session.connection().execute(sa.text("UPDATE audit_entry SET actor = 'nobody' WHERE seq = 1"))

    said = surefoot("audit", "verify")

    assert said.code == 8
    assert "altered" in said.out
