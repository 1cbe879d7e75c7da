"""A server in one file, and back; and what is refused."""

from __future__ import annotations

import dataclasses
import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from sqlmodel import select

from surefoot_server.audit import service as audit
from surefoot_server.backup import back_up, restore
from surefoot_server.config import Settings
from surefoot_server.db import Database
from surefoot_server.devices.models import Device
from surefoot_server.events.feed import Feed
from surefoot_server.keys.install import install_keys
from surefoot_server.keys.online import OnlineRepository
from surefoot_shared.errors import ConfigError
from tests.server.postgresql import Cluster
from tests.server.rig import NOW, Rig


@pytest.fixture
def target(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "new" / "data", keys_dir=tmp_path / "new" / "keys")


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_everything_comes_back_and_only_the_owner_reads_it(rig: Rig, tmp_path: Path, target: Settings) -> None:
    rig.device("cam-1")
    blob = rig.state.settings.data_dir / "blobs" / "ab" / "abcdef"
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(os.urandom(3 << 20))
    (rig.state.settings.data_dir / "broker").mkdir()
    (rig.state.settings.data_dir / "broker" / "mosquitto.conf").write_text("made anew")

    made = back_up(rig.state.settings, tmp_path / "b.tar", NOW)
    restore(target, tmp_path / "b.tar")

    assert made.path.stat().st_mode & 0o777 == 0o600
    assert tree(target.keys_dir) == tree(rig.keys)
    before, after = tree(rig.state.settings.data_dir), tree(target.data_dir)
    left_out = {"surefoot.db", "surefoot.db-wal", "surefoot.db-shm", "broker/mosquitto.conf"}
    assert {n: b for n, b in after.items() if n != "surefoot.db"} == {
        n: b for n, b in before.items() if n not in left_out
    }
    database = Database(target.database)
    with database.read() as session:
        assert [d.id for d in session.exec(select(Device))] == ["cam-1"]
    database.dispose()
    assert all(p.stat().st_mode & 0o077 == 0 for p in (target.keys_dir / "online").glob("*.pem") if "ca" not in p.name)
    assert [p for p in target.data_dir.parent.iterdir() if p.name.startswith(".")] == []


def test_what_the_restored_server_signs_counts_above_what_was_signed_after_the_backup(
    rig: Rig, tmp_path: Path, target: Settings
) -> None:
    back_up(rig.state.settings, tmp_path / "b.tar", NOW)
    last = [rig.state.online.next_seq() for _ in range(3)][-1]

    restore(target, tmp_path / "b.tar")
    installed = install_keys(target.keys_dir, target.data_dir)

    assert OnlineRepository(installed.repo_dir, installed.online_dir).next_seq() > last


def test_no_number_of_the_feed_comes_twice_where_a_server_went_on_after_its_backup(
    rig: Rig, tmp_path: Path, target: Settings
) -> None:
    rig.device("cam-1")
    back_up(rig.state.settings, tmp_path / "b.tar", NOW)
    rig.device("cam-2")
    seen = newest(rig.db)

    restore(target, tmp_path / "b.tar")

    again = Database(target.database)
    Feed(again, 100)
    with again.write() as session:
        audit.record(session, "alice", "note", "server", {}, NOW)
    assert newest(again) > max(seen, 1_700_000_000_000)
    again.dispose()


def newest(database: Database) -> int:
    return Feed(database, 100).bounds()[1]


def test_encrypted_keys_stay_so_and_an_open_one_is_refused(rig: Rig, tmp_path: Path) -> None:
    back_up(rig.state.settings, tmp_path / "b.tar", NOW)
    with tarfile.open(tmp_path / "b.tar") as archive:
        held = archive.extractfile("keys/offline/image-root.pem")
        assert held is not None
        assert held.read() == (rig.keys / "offline" / "image-root.pem").read_bytes()
    shutil.copy(rig.keys / "online" / "director.pem", rig.keys / "offline" / "open.pem")

    with pytest.raises(ConfigError, match="not encrypted"):
        back_up(rig.state.settings, tmp_path / "c.tar", NOW)

    assert not (tmp_path / "c.tar").exists()


def test_nothing_is_put_over_a_server_that_is_there(rig: Rig, tmp_path: Path) -> None:
    back_up(rig.state.settings, tmp_path / "b.tar", NOW)

    with pytest.raises(ConfigError, match="not empty"):
        restore(rig.state.settings, tmp_path / "b.tar")
    with pytest.raises(ConfigError, match="there already"):
        back_up(rig.state.settings, tmp_path / "b.tar", NOW)


@pytest.mark.parametrize("damage", ["cut", "changed", "stray", "outside", "text"])
def test_a_damaged_backup_changes_nothing(rig: Rig, tmp_path: Path, target: Settings, damage: str) -> None:
    path = tmp_path / "b.tar"
    back_up(rig.state.settings, path, NOW)
    raw = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(raw[: len(raw) // 2])
    elif damage == "changed":
        raw[raw.index(b"SQLite format 3") + 200] ^= 1
        path.write_bytes(raw)
    elif damage == "text":
        path.write_text("no archive")
    else:
        with tarfile.open(path, "a") as archive:
            info = tarfile.TarInfo("data/stray" if damage == "stray" else "../../outside")
            info.size = 1
            archive.addfile(info, io.BytesIO(b"x"))

    with pytest.raises(ConfigError) as refused:
        restore(target, path)

    assert refused.value.kind == "config_unreadable"
    assert not target.data_dir.exists()
    assert not (tmp_path / "outside").exists()
    assert not list(tmp_path.rglob(".*restoring"))


def test_a_folder_without_a_database_is_no_server(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    settings = Settings(data_dir=tmp_path / "data", keys_dir=tmp_path / "keys")

    with pytest.raises(ConfigError, match="no database"):
        back_up(settings, tmp_path / "b.tar", NOW)

    assert list(tmp_path.glob("*.tar*")) == []


@pytest.mark.slow
@pytest.mark.needs("initdb")
def test_postgresql_is_dumped_and_loaded_by_its_own_programs(
    postgresql: Cluster, postgresql_rig: Rig, tmp_path: Path, target: Settings
) -> None:
    postgresql_rig.device("cam-1")
    back_up(postgresql_rig.state.settings, tmp_path / "b.tar", NOW)
    with pytest.raises(ConfigError, match="holds a database of postgresql"):
        restore(target, tmp_path / "b.tar")

    there = dataclasses.replace(target, database_url=postgresql.empty())
    restore(there, tmp_path / "b.tar")

    database = Database(there.database)
    with database.read() as session:
        assert [d.id for d in session.exec(select(Device))] == ["cam-1"]
    database.upgrade()
    Feed(database, 100)
    with database.write() as session:
        audit.record(session, "alice", "note", "server", {}, NOW)
    assert newest(database) > 1_700_000_000_000
    database.dispose()
