"""People get in by their own password with the roles they were given, and every change of that is audited."""

from __future__ import annotations

import pytest

from surefoot_server.access import service, users
from surefoot_server.access.models import User
from surefoot_server.access.roles import FLEET, Grant, Role, Scope
from surefoot_server.audit import service as audit
from surefoot_server.cohorts import service as cohorts
from surefoot_shared.errors import Conflict, Invalid, NotAllowed, NotFound
from tests.server.rig import NOW, Rig, later

PASSWORD = "four words of mine"
ADMIN, VIEWER = Grant(FLEET, Role.ADMIN), Grant(FLEET, Role.VIEWER)


def create(rig: Rig, name: str = "bob", *grants: Grant, password: str | None = PASSWORD) -> None:
    with rig.db.write() as session:
        users.create(session, name, password, grants or (VIEWER,), "root", NOW)


def last(rig: Rig) -> tuple[str, str, dict[str, object]]:
    with rig.db.read() as session:
        entry = audit.entries(session, limit=1)[0]
    return entry.actor, entry.action, entry.detail


def test_the_first_start_makes_an_administrator_whose_password_is_told_once(rig: Rig) -> None:
    with rig.db.write() as session:
        password = users.ensure_first(session, NOW)
        again = users.ensure_first(session, NOW)

    with rig.db.read() as session:
        who = users.judge(session, "admin", password)
    assert (who.name, who.role, again) == ("admin", Role.ADMIN, "")


@pytest.mark.parametrize(("name", "password"), [("bob", "wrong"), ("nobody", PASSWORD), ("", ""), ("BOB", PASSWORD)])
def test_whatever_is_wrong_the_words_are_the_same(rig: Rig, name: str, password: str) -> None:
    create(rig)

    with rig.db.read() as session, pytest.raises(NotAllowed) as refused:
        users.judge(session, name, password)

    assert (refused.value.kind, refused.value.message) == ("not_signed_in", "The name or the password is wrong.")


def test_no_password_is_stored_or_audited(rig: Rig) -> None:
    create(rig)

    with rig.db.read() as session:
        row = users.get(session, "bob")
        assert PASSWORD not in row.model_dump_json()
        assert str(row.password_hash).startswith("$argon2id$")
        assert all(PASSWORD not in str(e.detail) for e in audit.entries(session))
        assert all(str(row.password_hash) not in str(e.detail) for e in audit.entries(session))


def test_a_user_of_the_identity_provider_has_no_password_that_fits(rig: Rig) -> None:
    create(rig, password=None)

    with rig.db.read() as session, pytest.raises(NotAllowed):
        users.judge(session, "bob", "")


def test_a_disabled_user_is_nobody_until_enabled(rig: Rig) -> None:
    create(rig)
    with rig.db.write() as session:
        users.disable(session, "bob", "root", later(1), "left")
    assert last(rig) == ("root", "user.disable", {"before": "enabled", "after": "disabled", "reason": "left"})
    with rig.db.read() as session, pytest.raises(NotAllowed):
        users.judge(session, "bob", PASSWORD)

    with rig.db.write() as session:
        users.enable(session, "bob", "root", later(2))

    with rig.db.read() as session:
        assert users.judge(session, "bob", PASSWORD).name == "bob"


def test_a_user_without_any_role_is_told_so(rig: Rig) -> None:
    create(rig)
    with rig.db.write() as session:
        users.withdraw(session, "bob", FLEET, "root", later(1))

    with rig.db.read() as session, pytest.raises(NotAllowed, match="no role"):
        users.judge(session, "bob", PASSWORD)


def test_a_role_in_a_cohort_is_given_and_audited_with_before_and_after(rig: Rig) -> None:
    create(rig)
    with rig.db.write() as session:
        cohorts.create(session, "lab", "all", "root", NOW)

    with rig.db.write() as session:
        users.grant(session, "bob", Grant(Scope.parse("cohort:lab"), Role.OPERATOR), "root", later(1), "night shift")

    after = {"cohort:lab": "operator", "fleet": "viewer"}
    assert last(rig) == ("root", "user.grant", {"before": {"fleet": "viewer"}, "after": after, "reason": "night shift"})


@pytest.mark.parametrize("scope", ["cohort:nowhere", "channel:nowhere"])
def test_a_scope_that_is_not_there_is_named(rig: Rig, scope: str) -> None:
    create(rig)

    with rig.db.write() as session, pytest.raises(NotFound, match="nowhere"):
        users.grant(session, "bob", Grant(Scope.parse(scope), Role.VIEWER), "root", NOW)


@pytest.mark.parametrize("act", ["disable", "withdraw", "grant"])
def test_somebody_is_always_left_to_administer(rig: Rig, act: str) -> None:
    create(rig, "root", ADMIN)

    def undo() -> None:
        with rig.db.write() as session:
            if act == "disable":
                users.disable(session, "root", "root", NOW)
            elif act == "withdraw":
                users.withdraw(session, "root", FLEET, "root", NOW)
            else:
                users.grant(session, "root", VIEWER, "root", NOW)

    with pytest.raises(Conflict, match="administer"):
        undo()
    create(rig, "second", ADMIN)
    undo()
    assert last(rig)[1] == f"user.{act}"


@pytest.mark.parametrize("name", ["", "-x", "two words", "x" * 65, "a/b", "é"])
def test_what_is_no_name_is_refused(rig: Rig, name: str) -> None:
    with rig.db.write() as session, pytest.raises(Invalid):
        users.create(session, name, None, (), "root", NOW)


def test_a_name_is_taken_once_by_user_or_token(rig: Rig) -> None:
    create(rig)
    with rig.db.write() as session:
        service.create_token(session, "ci", Role.VIEWER, "root", NOW)

    for name in ("bob", "ci"):
        with rig.db.write() as session, pytest.raises(Conflict):
            users.create(session, name, None, (), "root", NOW)


def test_everything_one_person_signs_in_with_is_one_person(rig: Rig) -> None:
    create(rig)
    with rig.db.write() as session:
        person = f"user:{users.get(session, 'bob').id}"
        service.create_token(session, "bobs", Role.VIEWER, "bob", NOW, person=person)
        root, _ = service.create_token(session, "first", Role.ADMIN, "server", NOW)
        service.create_token(session, "made-by-it", Role.ADMIN, "first", NOW, person=f"token:{root.id}")

    with rig.db.read() as session:
        assert users.person_of(session, "bob") == users.person_of(session, "bobs") == person
        assert users.person_of(session, "first") == users.person_of(session, "made-by-it") == f"token:{root.id}"
        assert users.person_of(session, "engine") not in (person, f"token:{root.id}")
        assert isinstance(users.get(session, "bob"), User)
