"""One's own password: who may change it, what counts as a guess, and what ends with the old one."""

from __future__ import annotations

import pytest
from sqlmodel import select

from surefoot_server.access import own_password, service, sessions, users
from surefoot_server.access.attempts import NAME_RATE
from surefoot_server.access.models import ConsoleSession
from surefoot_server.access.roles import FLEET, Grant, Principal, Role
from surefoot_server.audit import service as audit
from surefoot_server.audit.models import AuditEntry
from surefoot_shared.errors import Conflict, Invalid, NotAllowed, Unreachable
from tests.server.rig import NOW, Rig, later

PRESENT, NEW, HERE = "four words of mine", "another four words", "192.0.2.1"


@pytest.fixture
def bob(rig: Rig) -> Principal:
    with rig.db.write() as session:
        return users.principal_of(session, users.create(session, "bob", PRESENT, [VIEWER], "root", NOW))


VIEWER = Grant(FLEET, Role.VIEWER)


def change(rig: Rig, who: Principal, old: str = PRESENT, new: str = NEW) -> None:
    own_password.change(rig.state, who, old, new, HERE, later(1))


def fits(rig: Rig, password: str) -> bool:
    with rig.db.read() as session:
        try:
            return users.judge(session, "bob", password).name == "bob"
        except NotAllowed:
            return False


def last(rig: Rig) -> AuditEntry:
    with rig.db.read() as session:
        return audit.entries(session)[0]


def test_whoever_knows_the_present_one_changes_it_and_every_session_ends(rig: Rig, bob: Principal) -> None:
    with rig.db.write() as session:
        sessions.open_session(session, bob, NOW, 1e9)

    change(rig, bob)

    assert (fits(rig, NEW), fits(rig, PRESENT)) == (True, False)
    with rig.db.read() as session:
        assert session.exec(select(ConsoleSession)).all() == []
    assert (last(rig).actor, last(rig).action, last(rig).detail) == (
        "bob",
        "user.password",
        {"by": "self", "address": HERE},
    )


def test_a_wrong_present_one_changes_nothing_and_is_audited_without_it(rig: Rig, bob: Principal) -> None:
    with pytest.raises(NotAllowed, match="present password is wrong"):
        change(rig, bob, "guess guess guess")

    assert fits(rig, PRESENT)
    assert (last(rig).action, last(rig).object) == ("user.password.refused", "user:bob")
    assert "guess" not in str(last(rig).detail)


@pytest.mark.parametrize("new", ["short", "aaaaaaaaaaaaaaaa", "x" * 257, PRESENT])
def test_a_poor_new_one_is_refused(rig: Rig, bob: Principal, new: str) -> None:
    with pytest.raises(Invalid):
        change(rig, bob, new=new)

    assert fits(rig, PRESENT)


def test_guesses_are_as_many_as_at_the_door_and_count_together(rig: Rig, bob: Principal) -> None:
    for _ in range(NAME_RATE.burst):
        with pytest.raises(NotAllowed):
            change(rig, bob, "guess guess guess")

    with pytest.raises(Unreachable) as limited:
        change(rig, bob)

    assert limited.value.kind == "too_many"
    assert fits(rig, PRESENT), "past the limit the right one is not looked at either"


def test_a_token_of_the_user_changes_it_and_goes_on(rig: Rig, bob: Principal) -> None:
    with rig.db.write() as session:
        _, text = service.create_token(session, "bobs", Role.VIEWER, "bob", NOW, person=bob.person)
    with rig.db.read() as session:
        token = service.principal_of(session, text, NOW)

    change(rig, token)

    assert fits(rig, NEW)
    with rig.db.read() as session:
        assert service.principal_of(session, text, NOW).name == "bobs"


def test_a_programs_token_has_no_password_to_change(rig: Rig) -> None:
    with rig.db.write() as session:
        _, text = service.create_token(session, "ci", Role.ADMIN, "root", NOW)
    with rig.db.read() as session:
        token = service.principal_of(session, text, NOW)

    with pytest.raises(Conflict, match="ci is no user"):
        change(rig, token)


def test_whom_only_the_identity_provider_lets_in_has_none(rig: Rig) -> None:
    with rig.db.write() as session:
        who = users.principal_of(session, users.create(session, "eve", None, [VIEWER], "root", NOW))

    with pytest.raises(Conflict, match="no password here"):
        change(rig, who, "")
