"""What is stored of tokens and sessions opens nothing."""

from __future__ import annotations

import pytest
from sqlmodel import select

from surefoot_server.access import service, sessions
from surefoot_server.access.models import AccessToken, ConsoleSession
from surefoot_server.access.roles import Role
from surefoot_shared.errors import NotAllowed
from tests.server.rig import NOW, Rig


def test_the_database_holds_no_secret(rig: Rig) -> None:
    with rig.db.write() as session:
        _, text = service.create_token(session, "ci", Role.RELEASER, "test", NOW)
        secret = sessions.open_session(session, service.principal_of(session, text, NOW), NOW, 60)

    with rig.db.read() as session:
        token, opened = session.exec(select(AccessToken)).one(), session.exec(select(ConsoleSession)).one()
        assert text.rpartition("_")[2] not in token.model_dump_json()
        assert secret not in opened.model_dump_json()
        with pytest.raises(NotAllowed):
            service.principal_of(session, f"sf_{token.id}_{token.secret_hash}", NOW)
        with pytest.raises(NotAllowed):
            sessions.principal_of_session(session, opened.secret_hash, NOW, 60)
