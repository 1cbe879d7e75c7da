"""Family "artifacts": fetched once, by hash, in full, under a name that leads nowhere else."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Client
from tests.conformance.repository import Repository, serving


def only_name(repository: Repository) -> str:
    (name,) = (name for name in repository.served if name.startswith("targets/"))
    return name


def test_an_artifact_is_fetched_once(client: Client, repository: Repository) -> None:
    repository.add_target("a/file", b"content")
    repository.publish("targets")

    assert client.download("a/file") == 0
    assert len(repository.requests("targets")) == 1
    assert client.download("a/file") == 0
    assert repository.requests("targets") == []
    assert client.artifacts() == [b"content"]


def test_several_artifacts_share_one_refresh_and_the_first_failure_ends_it(
    client: Client, repository: Repository
) -> None:
    repository.add_target("one", b"1")
    repository.add_target("two", b"2")
    repository.publish("targets")

    assert client.download("one", "missing", "two") == 1
    assert repository.requests().count("timestamp.json") == 1
    assert client.artifacts() == [b"1"]


def test_changed_content_takes_the_place_of_the_old(client: Client, repository: Repository) -> None:
    for content in (b"old", b"new"):
        repository.add_target("file", content)
        repository.publish("targets")
        assert client.download("file") == 0

    assert client.artifacts() == [b"new"]


@pytest.mark.parametrize("body", [b"contenT", b"content and more", b"conten", b"", None])
def test_other_bytes_than_were_signed_are_refused(client: Client, repository: Repository, body: bytes | None) -> None:
    repository.add_target("file", b"content")
    repository.publish("targets")
    name = only_name(repository)
    if body is None:
        del repository.served[name]
    else:
        repository.served[name] = body

    assert client.download("file") == 1
    assert client.artifacts() == []


def test_a_damaged_copy_is_fetched_again(client: Client, repository: Repository) -> None:
    repository.add_target("file", b"content")
    repository.publish("targets")
    client.download("file")
    (kept,) = client.target_dir.iterdir()
    kept.write_bytes(b"damaged")

    assert client.download("file") == 0
    assert client.artifacts() == [b"content"]


@pytest.mark.parametrize("path", ["../up", "a b", "a/../../b", "ä/ö", "c++.txt", "%2e%2e/x", "a?b", "a#b"])
def test_strange_names_stay_inside_the_folder(client: Client, repository: Repository, path: str) -> None:
    """Family "quoting": the name may be refused, but nothing is ever written elsewhere."""
    outside = set(client.target_dir.parent.iterdir())
    repository.add_target(path, b"content")
    repository.publish("targets")

    code = client.download(path)

    assert code in (0, 1)
    assert set(client.target_dir.parent.iterdir()) == outside
    assert client.artifacts() == ([b"content"] if code == 0 else [])


def test_a_repository_without_versioned_names_is_read_too(client: Client) -> None:
    with serving(Repository(consistent=False)) as plain:
        plain.add_target("a/file", b"content")
        plain.publish("targets")
        client.repository = plain
        assert client.init(plain.first_root) == 0

        assert client.download("a/file") == 0
        assert plain.requests() == ["2.root.json", "timestamp.json", "snapshot.json", "targets.json"]
        assert client.artifacts() == [b"content"]


def test_downloading_fails_where_the_metadata_cannot_be_refreshed(client: Client, repository: Repository) -> None:
    repository.add_target("file", b"content")
    repository.publish("targets")
    assert client.download("file") == 0
    repository.unsigned.add("timestamp")
    repository.publish("timestamp")

    assert client.download("file") == 1
