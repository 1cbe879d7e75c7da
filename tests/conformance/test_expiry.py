"""Family "expiry": expired metadata is refused, by the clock of the C library, which `faketime` turns."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.conformance.conftest import Client
from tests.conformance.repository import Repository, now


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_an_expired_role_is_refused(client: Client, repository: Repository, role: str) -> None:
    repository.signed(role).expires = now() - timedelta(hours=1)
    repository.publish(role)

    assert client.refresh() == 1
    assert role not in client.trusts()


def test_an_expired_root_is_refused_but_kept_and_a_newer_one_heals_it(client: Client, repository: Repository) -> None:
    repository.root.expires = now() - timedelta(hours=1)
    repository.publish("root")
    assert client.refresh() == 1
    assert client.trusts() == {"root": 2}

    repository.root.expires = now() + timedelta(days=1)
    repository.publish("root")

    assert client.refresh() == 0
    assert client.trusts()["root"] == 3


def test_expired_roots_in_the_middle_of_the_chain_are_only_steps(client: Client, repository: Repository) -> None:
    for days in (-2, -1, 30):
        repository.root.expires = now() + timedelta(days=days)
        repository.publish("root")

    assert client.refresh() == 0
    assert client.trusts()["root"] == 4


def test_an_expired_delegated_role_refuses_its_artifacts(client: Client, repository: Repository) -> None:
    repository.delegate("targets", "role", ["*"])
    repository.delegated["role"].expires = now() - timedelta(hours=1)
    repository.add_target("a", b"a", "role")
    repository.publish("targets", "role")

    assert client.refresh() == 0
    assert client.download("a") == 1
    assert client.artifacts() == []


@pytest.mark.slow
@pytest.mark.needs("faketime")
@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_what_is_fresh_today_is_refused_next_week_by_the_turned_clock(
    client: Client, repository: Repository, role: str
) -> None:
    repository.signed(role).expires = now() + timedelta(days=5)
    repository.publish(role)

    assert client.run("refresh", at="+6d") == 1
    assert client.run("refresh", at="+4d") == 0


@pytest.mark.slow
@pytest.mark.needs("faketime")
def test_expired_local_metadata_still_guards_against_rollback(client: Client, repository: Repository) -> None:
    """The kept timestamp and snapshot are expired, and yet a lower version than theirs is refused."""
    for role in ("timestamp", "snapshot", "targets"):
        repository.signed(role).expires = now() + timedelta(days=7)
    repository.publish("targets")
    repository.publish("targets")
    assert client.refresh() == 0
    repository.timestamp.version, repository.timestamp.expires = 2, now() + timedelta(days=30)
    repository.write("timestamp")

    assert client.run("refresh", at="+10d") == 1
    assert client.trusts()["timestamp"] == 3
