"""The schema's history, inside the package, applied by the server itself at every start.

Promises: one upgrade at a time (SQLite: the write lock; PostgreSQL: an advisory lock), all of it or nothing; a database
of a newer version is refused, never guessed at.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection, Engine

from surefoot_shared.errors import ConfigError

LOCK = 0x5F00_0002
"""Any constant of ours: two servers that start together on PostgreSQL upgrade one after the other."""


def config(connection: Connection | None = None) -> Config:
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    made.attributes["connection"] = connection
    return made


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest revision; raises ConfigError where it is newer than this program."""
    with engine.execution_options(surefoot_write=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        if revision_of(connection) == ScriptDirectory.from_config(config()).get_current_head():
            return
        try:
            command.upgrade(config(connection), "head")
        except CommandError as error:
            raise ConfigError(
                "config_invalid",
                f"The database cannot be upgraded: {error}.",
                "It was made by a newer version of the server: start that one, or restore a backup.",
            ) from error


def revision_of(connection: Connection) -> str | None:
    """The revision that the database is at, None where it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
