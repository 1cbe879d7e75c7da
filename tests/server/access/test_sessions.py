"""A session ends by time, by idleness, by signing out, and with what it rests on."""

from __future__ import annotations

import pytest

from surefoot_server.access import service, sessions, users
from surefoot_server.access.roles import FLEET, Grant, Principal, Role
from surefoot_shared.errors import NotAllowed
from tests.server.rig import NOW, Rig, later

IDLE_S = 600.0


def sign_in(rig: Rig, valid_s: float = 3600) -> str:
    with rig.db.write() as session:
        row = users.create(session, "bob", None, [Grant(FLEET, Role.OPERATOR)], "test", NOW)
        return sessions.open_session(session, users.principal_of(session, row), NOW, valid_s)


def whose(rig: Rig, secret: str, at_s: float) -> Principal:
    with rig.db.read() as session:
        return sessions.principal_of_session(session, secret, later(at_s), IDLE_S)


def test_a_session_is_its_users_with_the_roles_of_this_moment(rig: Rig) -> None:
    secret = sign_in(rig)
    with rig.db.write() as session:
        users.grant(session, "bob", Grant(FLEET, Role.VIEWER), "root", later(1))

    who = whose(rig, secret, 2)

    assert (who.name, who.role, who.person) == ("bob", Role.VIEWER, f"user:{who.user_id}")


def test_it_ends_by_time_however_busy_it_was(rig: Rig) -> None:
    secret = sign_in(rig, valid_s=1200)
    for at_s in range(0, 1200, 300):
        sessions.seen(rig.db, secret, later(at_s))
    assert whose(rig, secret, 1199).name == "bob"

    with pytest.raises(NotAllowed):
        whose(rig, secret, 1200)


def test_it_ends_where_nobody_uses_it(rig: Rig) -> None:
    secret = sign_in(rig)
    sessions.seen(rig.db, secret, later(300))
    assert whose(rig, secret, 300 + IDLE_S - 1).name == "bob"

    with pytest.raises(NotAllowed):
        whose(rig, secret, 300 + IDLE_S)


@pytest.mark.parametrize("end", ["sign out", "disable", "new password"])
def test_it_ends_with_what_it_rests_on(rig: Rig, end: str) -> None:
    secret = sign_in(rig)

    with rig.db.write() as session:
        if end == "sign out":
            sessions.close_session(session, secret)
        elif end == "disable":
            users.disable(session, "bob", "root", later(1))
        else:
            users.set_password(session, "bob", "four words of mine", "root", later(1))

    with pytest.raises(NotAllowed):
        whose(rig, secret, 2)


def test_a_tokens_session_ends_with_the_token(rig: Rig) -> None:
    with rig.db.write() as session:
        row, text = service.create_token(session, "ci", Role.VIEWER, "test", NOW)
        secret = sessions.open_session(session, service.principal_of(session, text, NOW), NOW, 3600)
    assert whose(rig, secret, 1).name == "ci"

    with rig.db.write() as session:
        service.revoke_token(session, row.id, "admin", later(1))

    with pytest.raises(NotAllowed):
        whose(rig, secret, 2)
