"""Devices are witnesses: what they were told of the audit trail comes back, and a cut shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from surefoot_server.audit import service as audit
from surefoot_server.audit.checkpoints import CONTRADICTED, TOLD_FOR, Checkpoints, load_or_make_key
from surefoot_shared.errors import ConfigError
from surefoot_shared.messages import Checkpoint
from tests.server.audit.tampering import unlock
from tests.server.rig import NOW, Rig, hello, later


def write(rig: Rig, rows: int) -> None:
    with rig.db.write() as session:
        for n in range(rows):
            audit.record(session, "first", "x", f"y:{n}", {}, later(n))


def noted(rig: Rig) -> Checkpoint:
    made = rig.state.checkpoints.make(NOW)
    assert made is not None
    return made


def cut(rig: Rig, above: int) -> None:
    with rig.db.write() as session:
        unlock(session)
        session.connection().execute(text(f"DELETE FROM audit_entry WHERE seq > {above}"))


def says(rig: Rig, seq: int, checkpoint: Checkpoint | None) -> None:
    with rig.db.write() as session:
        rig.devices.hello(session, hello("cam-1", seq, audit=checkpoint), later(100 + seq))


def alarms(rig: Rig) -> list[str]:
    return list(rig.state.checkpoints.warnings(later(200)))


def test_a_checkpoint_stands_for_the_newest_row_and_is_made_once(rig: Rig) -> None:
    assert rig.state.checkpoints.make(NOW) is None
    write(rig, 3)

    first, again = noted(rig), noted(rig)

    assert first == again == rig.state.checkpoints.newest()
    with rig.db.read() as session:
        assert (first.size, first.head) == (3, audit.entries(session)[0].hash)


def test_a_device_that_says_what_is_there_raises_nothing(rig: Rig) -> None:
    rig.device("cam-1")
    told = noted(rig)
    write(rig, 3)

    says(rig, 1, told)
    says(rig, 2, None)

    assert alarms(rig) == []


def test_a_trail_that_was_cut_off_is_told_by_the_first_device_that_heard_of_more(rig: Rig) -> None:
    rig.device("cam-1")
    write(rig, 3)
    told = noted(rig)
    cut(rig, above=2)

    says(rig, 1, told)

    assert [w for w in alarms(rig) if "cam-1 was shown 4 rows" in w] == alarms(rig) != []
    with rig.db.read() as session:
        assert audit.entries(session)[0].action == CONTRADICTED
    assert rig.state.checkpoints.warnings(later(200) + TOLD_FOR) == []


def test_a_trail_that_was_written_anew_after_the_cut_is_told_too(rig: Rig) -> None:
    rig.device("cam-1")
    write(rig, 3)
    told = noted(rig)
    cut(rig, above=2)
    write(rig, 5)

    says(rig, 1, told)

    assert alarms(rig) != []


def test_what_the_server_never_signed_counts_for_nothing(rig: Rig) -> None:
    rig.device("cam-1")

    says(rig, 1, Checkpoint(10_000, "f" * 64, NOW.isoformat(), "c2ln"))

    assert alarms(rig) == []


def test_checkpoints_are_kept_by_the_database(rig: Rig) -> None:
    write(rig, 1)
    noted(rig)

    for statement in ("UPDATE audit_checkpoint SET head = ''", "DELETE FROM audit_checkpoint"):
        with rig.db.write() as session, pytest.raises(DBAPIError, match="append-only"):
            session.connection().execute(text(statement))


def test_the_key_is_made_once_and_only_its_owner_reads_it(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "audit.key"

    made, read = load_or_make_key(path), load_or_make_key(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert Checkpoints(rig.db, made).public_key() == Checkpoints(rig.db, read).public_key()


def test_a_file_that_holds_no_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "audit.key").write_bytes(b"garbage")

    with pytest.raises(ConfigError, match=r"audit\.key"):
        load_or_make_key(tmp_path / "audit.key")
