"""A migration happens whole or not at all, and only through the server."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic import op as operations
from sqlalchemy import inspect

from surefoot_server import migrations
from surefoot_server.db import Database


def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database, made = Database.at(tmp_path / "test.db"), []
    create = operations.create_table

    def fail_at_the_fifth(name: str, *columns: object, **more: object) -> object:
        made.append(name)
        if len(made) == 5:
            raise OSError("the disk is full")
        return create(name, *columns, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(operations, "create_table", fail_at_the_fifth)
    with pytest.raises(OSError, match="full"):
        database.upgrade()
    monkeypatch.undo()

    assert inspect(database.engine).get_table_names() == []
    database.upgrade()
    assert "device" in inspect(database.engine).get_table_names()


def test_migrations_run_on_the_servers_connection_only() -> None:
    with pytest.raises(AssertionError, match="upgrade"):
        command.upgrade(migrations.config(None), "head")
