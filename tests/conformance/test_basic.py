"""Family "basic": what is asked for, what is kept, and that nothing unsigned, missing or malformed passes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.conftest import Client
from tests.conformance.repository import TOP, Repository


def test_init_keeps_the_root_and_asks_nobody(client: Client) -> None:
    assert client.trusts() == {"root": 1}
    assert client.repository.asked == []


@pytest.mark.parametrize("junk", [b"", b"junk", b"{}"])
def test_init_refuses_what_is_no_root(client: Client, junk: bytes) -> None:
    assert client.init(junk) == 1


def test_refresh_before_init_fails(tmp_path: Path, repository: Repository) -> None:
    assert Client(tmp_path, repository).refresh() != 0


def test_a_first_refresh_asks_for_each_file_once_and_keeps_all(client: Client, repository: Repository) -> None:
    assert client.refresh() == 0

    assert repository.requests() == ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
    assert client.trusts() == dict.fromkeys(TOP, 1)
    assert (client.metadata_dir / "root.json").read_bytes() == repository.first_root


def test_a_second_refresh_asks_for_the_next_root_and_the_timestamp_only(client: Client, repository: Repository) -> None:
    client.refresh()
    repository.requests()

    assert client.refresh() == 0
    assert repository.requests() == ["2.root.json", "timestamp.json"]


def test_a_new_timestamp_alone_brings_nothing_else(client: Client, repository: Repository) -> None:
    client.refresh()
    repository.publish("timestamp")
    repository.requests()

    assert client.refresh() == 0
    assert repository.requests() == ["2.root.json", "timestamp.json"]
    assert client.trusts()["timestamp"] == 2


@pytest.mark.parametrize("role", TOP)
def test_a_role_that_is_not_signed_is_refused_and_what_came_before_it_is_kept(
    client: Client, repository: Repository, role: str
) -> None:
    repository.unsigned.add(role)
    repository.publish(role)

    assert client.refresh() == 1
    order = ["root", "timestamp", "snapshot", "targets"]
    kept = ["root"] if role == "root" else order[: order.index(role)]
    assert sorted(client.trusts()) == sorted(kept)
    assert client.trusts()["root"] == 1


@pytest.mark.parametrize("role", ["timestamp", "1.snapshot", "1.targets"])
@pytest.mark.parametrize("body", [None, b"", b"junk", b"{}", b"[" * 8000], ids=["404", "empty", "junk", "{}", "deep"])
def test_a_missing_or_unreadable_file_fails_the_refresh(
    client: Client, repository: Repository, role: str, body: bytes | None
) -> None:
    name = f"metadata/{role}.json"
    if body is None:
        del repository.served[name]
    else:
        repository.served[name] = body

    assert client.refresh() == 1
    assert role.rpartition(".")[2] not in client.trusts()


def test_a_file_that_never_ends_is_cut_at_its_limit(client: Client, repository: Repository) -> None:
    repository.served["metadata/timestamp.json"] += b" " * 20_000

    assert client.refresh() == 1
    assert client.trusts() == {"root": 1}


def test_unknown_fields_and_a_failed_refresh_before_do_no_harm(client: Client, repository: Repository) -> None:
    whole = repository.served.pop("metadata/1.targets.json")
    assert client.refresh() == 1
    repository.served["metadata/1.targets.json"] = whole
    repository.targets.unrecognized_fields["x-other"] = {"a": [1]}
    repository.publish("targets")

    assert client.refresh() == 0
    assert client.trusts()["targets"] == 2


def test_a_server_that_is_away_is_a_failure_and_changes_nothing(client: Client, repository: Repository) -> None:
    client.refresh()
    before = client.trusts()
    repository.url = "http://127.0.0.1:1"

    assert client.refresh() == 1
    assert client.trusts() == before


def test_a_redirect_is_not_followed(client: Client, repository: Repository) -> None:
    repository.served["metadata/elsewhere.json"] = repository.served["metadata/timestamp.json"]
    repository.moved["metadata/timestamp.json"] = "/metadata/elsewhere.json"

    assert client.refresh() == 1
    assert repository.requests() == ["2.root.json", "timestamp.json"]


@pytest.mark.slow
def test_the_wrapper_that_public_suites_are_given_is_this_client(client: Client, repository: Repository) -> None:
    wrapper = Path(__file__).with_name("surefoot-trust")
    program = Path(sys.executable).with_name("surefoot-agent")
    words = ["--metadata-dir", str(client.metadata_dir), "--metadata-url", f"{repository.url}/metadata", "refresh"]

    done = subprocess.run([str(wrapper), *words], env={**os.environ, "SUREFOOT_AGENT": str(program)}, check=False)

    assert done.returncode == 0
    assert client.trusts() == dict.fromkeys(TOP, 1)
