"""The migrations make exactly the tables that the models describe."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from surefoot_server import db
from surefoot_server.db import Database
from surefoot_server.migrations.tables import DOMAINS, metadata
from surefoot_shared.errors import ConfigError


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database.at(tmp_path / "test.db")
    made.upgrade()
    return made


def test_autogenerate_finds_no_difference(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": metadata})

        assert compare_metadata(context, metadata) == []


def test_every_domain_has_its_tables_there(database: Database) -> None:
    tables = set(inspect(database.engine).get_table_names())

    assert tables == set(metadata.tables) | {"alembic_version"}
    assert {each.__file__ for each in DOMAINS} == {str(path) for path in Path(db.__file__).parent.glob("*/models.py")}


def test_upgrading_again_changes_nothing(database: Database, tmp_path: Path) -> None:
    database.upgrade()

    with sqlite3.connect(tmp_path / "test.db") as raw:
        assert raw.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


def test_a_database_of_a_newer_server_is_refused(database: Database, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "test.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(ConfigError, match="newer"):
        database.upgrade()
