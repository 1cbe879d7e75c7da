"""A version of a component exists once."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from surefoot_server.releases.models import Release
from tests.server.rig import NOW, Rig


def test_one_version_cannot_have_two_rows(rig: Rig) -> None:
    def store(name: str) -> None:
        with rig.db.write() as session:
            session.add(
                Release(
                    id=name,
                    component="app",
                    version="1.1",
                    counter=1,
                    svn=0,
                    digest="d",
                    manifest_size=1,
                    total_bytes=1,
                    published_at=NOW,
                    published_by="first",
                )
            )

    store("app/1.1")
    with pytest.raises(IntegrityError):
        store("app/1.1-again")
