"""What alembic runs: migrations on the connection that `surefoot_server.migrations` hands over. No offline mode."""

from __future__ import annotations

from alembic import context

from surefoot_server.migrations.tables import metadata

connection = context.config.attributes.get("connection")
assert connection is not None, "run migrations through surefoot_server.migrations.upgrade"
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter a column in place
    compare_type=True,
    transactional_ddl=True,  # also on SQLite: the caller's BEGIN IMMEDIATE covers every statement
)
context.run_migrations()
