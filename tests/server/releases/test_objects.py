"""Object storage gets what the store has, loses what it lost, and gives addresses that end; against a server of S3."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from surefoot_server.releases.blobs import BlobStore
from surefoot_server.releases.objects import ObjectStorage
from surefoot_shared.errors import Unreachable
from surefoot_shared.release import digest_of
from tests.server.rig import Rig

RAW = b"weights" * 1000
NAME = digest_of(RAW)

pytestmark = pytest.mark.slow  # importing and starting the server of S3 takes seconds


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def options(endpoint: str) -> dict[str, str]:
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST"))
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/releases", method="PUT"))
    return {
        "aws_endpoint": endpoint,
        "aws_region": "us-east-1",
        "aws_access_key_id": "id",
        "aws_secret_access_key": "secret",
    }


@pytest.fixture
def objects(options: dict[str, str]) -> ObjectStorage:
    return ObjectStorage("s3://releases/fleet", options)


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    store = BlobStore(tmp_path / "blobs", 1 << 30)
    store.put(NAME, RAW)
    return store


def test_what_the_store_has_is_copied_once_and_fetched_by_an_address_that_needs_no_token(
    objects: ObjectStorage, blobs: BlobStore
) -> None:
    assert [objects.copy(blobs), objects.copy(blobs)] == [1, 0]

    address = objects.addresses([NAME, "b" * 64], 600)

    assert list(address) == [NAME]
    with urllib.request.urlopen(address[NAME]) as reply:
        assert reply.read() == RAW
    part = urllib.request.Request(address[NAME], headers={"Range": "bytes=7-13"})
    with urllib.request.urlopen(part) as reply:
        assert (reply.status, reply.read()) == (206, b"weights")


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_a_storage_in_the_own_network_without_tls_is_named_in_the_environment_alone(
    options: dict[str, str], blobs: BlobStore, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name, value in {**options, "aws_endpoint": ""}.items():
        monkeypatch.setenv(name.upper(), value)
    monkeypatch.delenv("AWS_ENDPOINT")
    monkeypatch.setenv(variable, options["aws_endpoint"])

    assert ObjectStorage("s3://releases/fleet").copy(blobs) == 1


def test_what_the_store_lost_goes_there_too_and_a_restart_copies_nothing_anew(
    objects: ObjectStorage, blobs: BlobStore, options: dict[str, str]
) -> None:
    objects.copy(blobs)

    again = ObjectStorage("s3://releases/fleet", options)
    copied = again.copy(blobs)
    blobs.remove(NAME)
    again.copy(blobs)

    assert copied == 0
    assert not again.has(NAME)
    assert again.addresses([NAME], 600) == {}


def test_objects_that_are_no_blobs_are_left_alone(
    objects: ObjectStorage, blobs: BlobStore, endpoint: str, options: dict[str, str]
) -> None:
    foreign = f"{endpoint}/releases/fleet/backup.sql"
    urllib.request.urlopen(urllib.request.Request(foreign, data=b"mine", method="PUT"))

    objects.copy(blobs)
    blobs.remove(NAME)
    ObjectStorage("s3://releases/fleet", options).copy(blobs)

    assert not objects.has(NAME)
    assert objects.has("backup.sql")


def test_a_blob_that_the_disk_damaged_is_not_copied_until_it_is_whole(objects: ObjectStorage, blobs: BlobStore) -> None:
    blobs.existing(NAME).write_bytes(RAW[:-1] + b"?")
    copied = [objects.copy(blobs)]

    blobs.put(NAME, RAW)
    copied.append(objects.copy(blobs))

    assert copied == [0, 1]


def test_after_a_failure_it_looks_anew_at_what_is_there(
    objects: ObjectStorage, blobs: BlobStore, endpoint: str
) -> None:
    objects.copy(blobs)
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST"))
    blobs.put(digest_of(b"more"), b"more")
    with pytest.raises(Unreachable):
        objects.copy(blobs)
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/releases", method="PUT"))

    assert objects.copy(blobs) == 2
    assert sorted(objects.addresses([NAME, digest_of(b"more")], 600)) == sorted([NAME, digest_of(b"more")])


def test_before_anything_was_copied_no_address_is_given(objects: ObjectStorage) -> None:
    assert objects.addresses([NAME], 600) == {}


def test_a_storage_that_is_away_is_unreachable_and_the_store_still_serves(blobs: BlobStore) -> None:
    away = ObjectStorage(
        "s3://releases/fleet",
        {
            "aws_endpoint": "http://127.0.0.1:9",
            "aws_region": "us-east-1",
            "aws_access_key_id": "id",
            "aws_secret_access_key": "secret",
        },
    )

    with pytest.raises(Unreachable, match="object storage"):
        away.copy(blobs)

    assert blobs.is_whole(NAME)


def test_a_device_with_a_lease_gets_addresses_and_nobody_else(rig: Rig, objects: ObjectStorage) -> None:
    rig.state.blobs.put(NAME, RAW)
    objects.copy(rig.state.blobs)
    object.__setattr__(rig.state, "objects", objects)
    token = rig.state.leases.mint(rig.device("cam-1"), datetime.now(timezone.utc))
    client, body = rig.device_client(), {"names": [NAME, "b" * 64]}

    given = client.post("/api/v1/blobs/urls", json=body, headers={"Authorization": f"Bearer {token}"})
    refused = client.post("/api/v1/blobs/urls", json=body)

    assert list(given.json()["urls"]) == [NAME]
    assert refused.status_code == 401


def test_credentials_are_not_in_what_an_address_says(objects: ObjectStorage, blobs: BlobStore) -> None:
    objects.copy(blobs)

    address = objects.addresses([NAME], 600)[NAME]

    assert "secret" not in address
    assert "X-Amz-Expires=600" in address
    assert os.environ.get("AWS_SECRET_ACCESS_KEY") is None


def test_no_minted_address_is_logged(rig: Rig, objects: ObjectStorage, caplog: pytest.LogCaptureFixture) -> None:
    rig.state.blobs.put(NAME, RAW)
    objects.copy(rig.state.blobs)
    object.__setattr__(rig.state, "objects", objects)
    lease = {"Authorization": f"Bearer {rig.state.leases.mint(rig.device('cam-1'), datetime.now(timezone.utc))}"}
    caplog.set_level("DEBUG")

    minted = rig.device_client().post("/api/v1/blobs/urls", json={"names": [NAME]}, headers=lease).json()

    assert "Signature" in minted["urls"][NAME]
    assert "Signature" not in caplog.text
    assert lease["Authorization"].split()[1] not in caplog.text
