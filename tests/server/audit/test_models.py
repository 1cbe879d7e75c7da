"""The audit row is numbered by us, never by the database."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from surefoot_server.audit.models import AuditEntry
from tests.server.rig import NOW, Rig


def test_a_number_is_taken_once(rig: Rig) -> None:
    def store() -> None:
        with rig.db.write() as session:
            session.add(AuditEntry(seq=1, at=NOW, actor="a", action="b", object="c", previous="", hash=""))

    store()
    with pytest.raises(IntegrityError):
        store()
