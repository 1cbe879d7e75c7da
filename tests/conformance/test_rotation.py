"""Family "rotation": keys change by root metadata that the old keys and the new ones signed, step by step."""

from __future__ import annotations

import pytest
from securesystemslib.signer import CryptoSigner, Signer

from tests.conformance.conftest import Client
from tests.conformance.repository import Repository


def rotate_root(repository: Repository, signed_by: list[Signer], new: list[Signer], threshold: int = 1) -> None:
    """A next root whose keys are `new`, signed by `signed_by`."""
    repository.take_keys("root")
    for signer in new:
        repository.give_key("root", signer)
    repository.root.roles["root"].threshold = threshold
    repository.root.version += 1
    repository.signers["root"] = signed_by
    repository.write("root")
    repository.signers["root"] = new


def signers(count: int) -> list[Signer]:
    return [CryptoSigner.generate_ed25519() for _ in range(count)]


def test_a_root_signed_by_old_and_new_keys_is_taken(client: Client, repository: Repository) -> None:
    old, new = list(repository.signers["root"]), signers(1)
    rotate_root(repository, [*old, *new], new)

    assert client.refresh() == 0
    assert client.trusts()["root"] == 2


@pytest.mark.parametrize("who", ["old alone", "new alone", "a stranger"])
def test_a_root_that_one_side_did_not_sign_is_refused(client: Client, repository: Repository, who: str) -> None:
    old, new = list(repository.signers["root"]), signers(1)
    by = {"old alone": old, "new alone": new, "a stranger": signers(1)}[who]
    rotate_root(repository, by, new)

    assert client.refresh() == 1
    assert client.trusts() == {"root": 1}


def test_thresholds_of_both_roots_must_be_met(client: Client, repository: Repository) -> None:
    first, team = list(repository.signers["root"]), signers(3)
    rotate_root(repository, [*first, *team[:1]], team, threshold=2)
    assert client.refresh() == 1

    repository.root.version -= 1
    rotate_root(repository, [*first, *team[:2]], team, threshold=2)

    assert client.refresh() == 0


def test_a_long_chain_is_walked_link_by_link_and_only_once(client: Client, repository: Repository) -> None:
    for _ in range(20):
        old, new = list(repository.signers["root"]), signers(1)
        rotate_root(repository, [*old, *new], new)

    assert client.refresh() == 0
    asked = repository.requests()
    assert asked[:20] == [f"{number}.root.json" for number in range(2, 22)]
    assert asked[20:22] == ["22.root.json", "timestamp.json"]
    assert client.refresh() == 0
    assert repository.requests() == ["22.root.json", "timestamp.json"]


def test_what_was_walked_before_a_bad_link_is_kept(client: Client, repository: Repository) -> None:
    old, new = list(repository.signers["root"]), signers(1)
    rotate_root(repository, [*old, *new], new)
    rotate_root(repository, signers(1), signers(1))

    assert client.refresh() == 1
    assert client.trusts() == {"root": 2}


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_a_rotated_online_role_is_followed_and_the_old_key_signs_nothing_more(
    client: Client, repository: Repository, role: str
) -> None:
    assert client.refresh() == 0
    stolen = repository.take_keys(role)
    repository.give_key(role)
    repository.publish("root", role)
    assert client.refresh() == 0

    repository.signers[role] = stolen
    repository.publish(role)

    assert client.refresh() == 1


def test_a_delegated_roles_rotated_key_is_followed(client: Client, repository: Repository) -> None:
    repository.delegate("targets", "role", ["*"])
    repository.add_target("a", b"a", "role")
    repository.publish("targets", "role")
    assert client.download("a") == 0
    stolen = repository.signers.pop("role")
    repository.delegate("targets", "role", ["*"])
    repository.publish("targets", "role")
    assert client.download("a") == 0

    repository.signers["role"] = stolen
    repository.add_target("evil", b"evil", "role")
    repository.publish("role")

    assert client.download("evil") == 1


def test_a_root_after_a_threshold_was_lowered_needs_the_higher_one_once_more(
    client: Client, repository: Repository
) -> None:
    first, team = list(repository.signers["root"]), signers(2)
    rotate_root(repository, [*first, *team], team, threshold=2)
    rotate_root(repository, team[:1], team[:1], threshold=1)

    assert client.refresh() == 1
    assert client.trusts()["root"] == 2
