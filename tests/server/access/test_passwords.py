"""Passwords are hashed with argon2id at its real cost, and bad ones are refused by length."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from surefoot_server.access import passwords
from surefoot_shared.errors import Invalid


def test_a_hash_is_argon2id_at_full_cost_and_matches_its_password_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher())

    stored = passwords.hash_of("four words of mine")

    found = extract_parameters(stored)
    assert (found.type, found.memory_cost, found.time_cost) == (Type.ID, 65_536, 3)
    assert passwords.matches(stored, "four words of mine")
    assert not passwords.matches(stored, "four words of thine")


def test_where_nothing_is_stored_the_same_work_is_done_and_nothing_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []

    class Watching(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]
            verified.append(str(hash))
            return super().verify(hash, password)

    monkeypatch.setattr(passwords, "_hasher", Watching(time_cost=1, memory_cost=64, parallelism=1))

    assert not passwords.matches(None, "x")
    assert len(verified) == 1


def test_a_hash_that_is_none_matches_nothing() -> None:
    assert not passwords.matches("plain", "plain")


def test_a_hash_of_other_parameters_is_outdated(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = passwords.hash_of("four words of mine")
    assert not passwords.outdated(stored)

    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=2, memory_cost=64, parallelism=1))

    assert passwords.outdated(stored)


@pytest.mark.parametrize("password", ["", "elevenchars", "x" * 257, "aaaaaaaaaaaaaaaa", "administrator"])
def test_a_password_that_is_too_easy_is_refused_without_being_repeated(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        passwords.check("administrator", password)

    assert not password or password not in str(refused.value)


def test_a_made_password_passes_and_is_another_each_time() -> None:
    made = {passwords.made() for _ in range(10)}

    assert len(made) == 10
    for each in made:
        passwords.check("admin", each)
