"""`surefoot user`: people and their roles, with passwords that never are arguments."""

from __future__ import annotations

from surefoot_server.access.roles import Role
from tests.server.cli.conftest import Operator

PASSWORD = "four words of mine"


def test_a_user_is_made_with_a_role_in_a_cohort_and_listed(surefoot: Operator) -> None:
    surefoot("cohort", "create", "hanoi", "all")

    made = surefoot(
        "user", "create", "linh", "--role", "operator", "--scope", "cohort:hanoi", answer=f"{PASSWORD}\n{PASSWORD}\n"
    )
    listed = surefoot("user", "list")

    assert (made.code, made.out) == (0, "User linh is operator over cohort:hanoi.\n")
    assert PASSWORD not in made.out + made.err
    assert "linh  operator over cohort:hanoi  password" in listed.out


def test_roles_are_granted_withdrawn_and_shown(surefoot: Operator) -> None:
    surefoot("user", "create", "linh", "--no-password")

    assert surefoot("user", "grant", "linh", "--role", "releaser").out == "linh: releaser.\n"
    assert surefoot("user", "withdraw", "linh", "--reason", "moved").out == "linh: no role.\n"
    assert surefoot("user", "list", "--json").json[0]["grants"] == []  # type: ignore[call-overload, index]


def test_a_user_is_disabled_and_enabled(surefoot: Operator) -> None:
    surefoot("user", "create", "linh", "--no-password")

    assert surefoot("user", "disable", "linh", "--reason", "left").code == 0
    assert surefoot("user", "list").out.splitlines()[1].split()[-1] != "viewer"
    assert surefoot("user", "enable", "linh").out == "User linh is enabled.\n"


def test_a_password_is_asked_for_twice(surefoot: Operator) -> None:
    surefoot("user", "create", "linh", "--no-password")

    same = surefoot("user", "password", "linh", answer=f"{PASSWORD}\n{PASSWORD}\n")

    assert same.out == "The password of linh is changed.\n"


def test_where_nobody_can_be_asked_nothing_is_guessed(surefoot: Operator) -> None:
    refused = surefoot("user", "create", "linh")

    assert refused.code == 2
    assert "no password on the standard input" in refused.err


def test_an_easy_password_is_refused_without_being_repeated(surefoot: Operator) -> None:
    refused = surefoot("user", "create", "linh", answer="qwerty-key\nqwerty-key\n")

    assert refused.code == 2
    assert "12 to 256 characters" in refused.err
    assert "qwerty-key" not in refused.err


def test_only_an_administrator_sees_users(surefoot: Operator) -> None:
    surefoot.sign_in(Role.RELEASER)

    assert surefoot("user", "list").code == 4


def test_somebody_with_a_token_of_theirs_changes_their_own_password(surefoot: Operator) -> None:
    surefoot("user", "create", "linh", answer=f"{PASSWORD}\n{PASSWORD}\n")
    surefoot.sign_in_as("linh")
    new = "some other four words"

    who = surefoot("user", "whoami")
    refused = surefoot("user", "own-password", answer=f"guess guess guess\n{new}\n{new}\n")
    changed = surefoot("user", "own-password", answer=f"{PASSWORD}\n{new}\n{new}\n")

    assert who.out == "linhs of linh: viewer.\n"
    assert (refused.code, "present password is wrong" in refused.err) == (4, True)
    assert (changed.code, changed.out) == (0, "Your password is changed.\n")
    assert not any(secret in changed.out + changed.err for secret in (PASSWORD, new))


def test_a_programs_token_is_told_that_there_is_no_password(surefoot: Operator) -> None:
    refused = surefoot("user", "own-password", answer=f"{PASSWORD}\n{PASSWORD}\n{PASSWORD}\n")

    assert refused.code == 5
    assert "is no user" in refused.err
