"""Family "rollback": no version goes back, in no file and in no entry; new keys end a fast-forward."""

from __future__ import annotations

import pytest
from tuf.api.metadata import MetaFile

from tests.conformance.conftest import Client
from tests.conformance.repository import Repository


@pytest.fixture
def refreshed(client: Client, repository: Repository) -> Client:
    repository.publish("targets")
    repository.publish("targets")
    assert client.refresh() == 0
    assert client.trusts() == {"root": 1, "timestamp": 3, "snapshot": 3, "targets": 3}
    return client


def test_an_older_timestamp_is_refused(refreshed: Client, repository: Repository) -> None:
    repository.timestamp.version = 2
    repository.write("timestamp")

    assert refreshed.refresh() == 1
    assert refreshed.trusts()["timestamp"] == 3


def test_an_older_snapshot_named_by_a_newer_timestamp_is_refused(refreshed: Client, repository: Repository) -> None:
    repository.snapshot.version = 2
    repository.publish("timestamp")

    assert refreshed.refresh() == 1
    assert (refreshed.trusts()["timestamp"], refreshed.trusts()["snapshot"]) == (3, 3)


def test_older_targets_named_by_a_newer_snapshot_are_refused(refreshed: Client, repository: Repository) -> None:
    repository.targets.version = 2
    repository.publish("snapshot")

    assert refreshed.refresh() == 1
    assert (refreshed.trusts()["snapshot"], refreshed.trusts()["targets"]) == (3, 3)


def test_targets_that_vanish_from_the_snapshot_are_refused(refreshed: Client, repository: Repository) -> None:
    repository.snapshot.version, repository.timestamp.version = 4, 4
    repository.timestamp.snapshot_meta = MetaFile(4)
    del repository.snapshot.meta["targets.json"]
    for role in ("snapshot", "timestamp"):
        prefix = "4." if role == "snapshot" else ""
        repository.served[f"metadata/{prefix}{role}.json"] = repository.sign(repository.signed(role), role)

    assert refreshed.refresh() == 1
    assert refreshed.trusts()["snapshot"] == 3


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_a_file_of_another_version_than_its_delegator_names_is_refused(
    refreshed: Client, repository: Repository, role: str
) -> None:
    repository.publish("targets")
    repository.served[f"metadata/4.{role}.json"] = repository.served[f"metadata/3.{role}.json"]

    assert refreshed.refresh() == 1
    assert refreshed.trusts()[role] == 3


def test_a_root_whose_version_is_not_the_next_one_is_refused(refreshed: Client, repository: Repository) -> None:
    for version in (1, 3):
        repository.root.version = version
        repository.served["metadata/2.root.json"] = repository.sign(repository.root, "root")

        assert refreshed.refresh() == 1
        assert refreshed.trusts()["root"] == 1


def test_an_equal_timestamp_with_other_content_changes_nothing(refreshed: Client, repository: Repository) -> None:
    before = (refreshed.metadata_dir / "timestamp.json").read_bytes()
    repository.timestamp.unrecognized_fields["x"] = "other"
    repository.write("timestamp")

    assert refreshed.refresh() == 0
    assert (refreshed.metadata_dir / "timestamp.json").read_bytes() == before


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_after_a_fast_forward_new_keys_bring_the_honest_versions_back(
    refreshed: Client, repository: Repository, role: str
) -> None:
    honest = repository.signed(role).version + 1
    repository.signed(role).version = 99_999
    repository.snapshot.version += role == "targets"
    repository.timestamp.version += role != "timestamp"
    repository.write("targets", "snapshot", "timestamp")
    assert refreshed.refresh() == 0
    assert refreshed.trusts()[role] == 99_999

    repository.signed(role).version = honest
    after = ("snapshot", "timestamp") if role == "targets" else ("timestamp",)
    for name in (*after, *(("snapshot",) if role == "snapshot" else ())):
        repository.take_keys(name)
        repository.give_key(name)
    repository.root.version += 1
    repository.snapshot.version += role == "targets"
    repository.timestamp.version += role != "timestamp"
    repository.write("root", "targets", "snapshot", "timestamp")

    assert refreshed.refresh() == 0
    assert refreshed.trusts()[role] == honest
