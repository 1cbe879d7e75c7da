"""Databases for tests on one throw-away cluster."""

from __future__ import annotations

import sqlalchemy as sa

from surefoot_server.db import Database


class Cluster:
    """Databases of one cluster; each is a copy of one that was migrated once."""

    def __init__(self, url: str) -> None:
        self.url, self._count = url, 0
        self._admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        self._run("CREATE DATABASE migrated")
        first = Database(self.of("migrated"))
        first.upgrade()
        first.dispose()

    def of(self, name: str) -> str:
        return self.url.replace("/postgres?", f"/{name}?")

    def empty(self) -> str:
        return self._create("TEMPLATE template0")

    def fresh(self) -> str:
        return self._create("TEMPLATE migrated")

    def dispose(self) -> None:
        self._admin.dispose()

    def _create(self, how: str) -> str:
        self._count += 1
        self._run(f"CREATE DATABASE t{self._count} {how}")
        return self.of(f"t{self._count}")

    def _run(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.exec_driver_sql(statement)
