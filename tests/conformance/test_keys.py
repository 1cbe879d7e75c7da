"""Family "keys": thresholds count keys and not signatures, and every key type of the specification is read."""

from __future__ import annotations

import json

import pytest
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner

from tests.conformance.conftest import Client
from tests.conformance.repository import TOP, Repository


@pytest.mark.parametrize("make", ["generate_ed25519", "generate_ecdsa", "generate_rsa"])
def test_every_key_type_of_the_specification_is_read(client: Client, repository: Repository, make: str) -> None:
    for role in ("timestamp", "snapshot", "targets"):
        repository.take_keys(role)
        repository.give_key(role, getattr(CryptoSigner, make)())
    repository.publish("root", "targets")

    assert client.refresh() == 0
    assert client.trusts() == {"root": 2, "timestamp": 2, "snapshot": 2, "targets": 2}


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_a_threshold_of_two_needs_two_keys(client: Client, repository: Repository, role: str) -> None:
    second = repository.give_key(role)
    repository.root.roles[role].threshold = 2
    repository.signers[role].remove(second)
    repository.publish("root", role)
    assert client.refresh() == 1

    repository.signers[role].append(second)
    repository.publish(role)

    assert client.refresh() == 0


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_one_key_that_signs_twice_counts_once(client: Client, repository: Repository, role: str) -> None:
    second = repository.give_key(role)
    repository.root.roles[role].threshold = 2
    repository.signers[role].remove(second)
    repository.publish("root", role)
    for name in [name for name in repository.served if name.endswith(f"{role}.json")]:
        value = json.loads(repository.served[name])
        value["signatures"] *= 2
        repository.served[name] = json.dumps(value).encode()

    assert client.refresh() == 1


def test_a_signature_of_the_same_key_under_a_second_name_counts_once(client: Client, repository: Repository) -> None:
    """Key ids are names; two names for one key are one key as far as python-tuf's threshold is told them apart."""
    key = repository.signers["timestamp"][0].public_key
    repository.root.roles["timestamp"].threshold = 2
    repository.root.roles["timestamp"].keyids.append("f" * 64)
    repository.publish("root", "timestamp")
    raw = json.loads(repository.served["metadata/timestamp.json"])
    raw["signatures"].append({"keyid": "f" * 64, "sig": raw["signatures"][0]["sig"]})
    repository.served["metadata/timestamp.json"] = json.dumps(raw).encode()

    assert key.keyid != "f" * 64
    assert client.refresh() == 1


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_a_key_that_the_root_does_not_name_signs_nothing(client: Client, repository: Repository, role: str) -> None:
    repository.signers[role] = [CryptoSigner.generate_ed25519()]
    repository.publish(role)

    assert client.refresh() == 1
    assert role not in client.trusts()


def test_a_signature_that_cannot_be_read_beside_a_good_one_does_no_harm(client: Client, repository: Repository) -> None:
    raw = json.loads(repository.served["metadata/timestamp.json"])
    raw["signatures"].append({"keyid": "a" * 64, "sig": "not hexadecimal"})
    repository.served["metadata/timestamp.json"] = json.dumps(raw).encode()

    assert client.refresh() == 0


def test_a_root_with_a_key_of_an_unknown_type_is_refused_and_the_trust_stays(
    client: Client, repository: Repository
) -> None:
    """The specification would ignore such a key; the library does not read the file. Known, and on the safe side."""
    repository.root.version = 2
    signed = repository.root.to_dict()
    signed["keys"]["e" * 64] = {"keytype": "of-tomorrow", "scheme": "new", "keyval": {"public": "x"}}
    signed["roles"]["timestamp"]["keyids"].append("e" * 64)
    signature = repository.signers["root"][0].sign(encode_canonical(signed).encode())
    document = {"signed": signed, "signatures": [signature.to_dict()]}
    repository.served["metadata/2.root.json"] = json.dumps(document).encode()

    assert client.refresh() == 1
    assert client.trusts() == {"root": 1}


def test_every_top_level_role_is_kept_as_the_very_bytes_that_were_served(
    client: Client, repository: Repository
) -> None:
    client.refresh()

    for role in TOP:
        (served,) = (raw for name, raw in repository.served.items() if name.endswith(f"{role}.json"))
        assert (client.metadata_dir / f"{role}.json").read_bytes() == served
