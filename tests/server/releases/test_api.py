"""Upload, publish, download."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from surefoot_server.access.roles import Role
from surefoot_shared.release import digest_of
from tests.server.releases import shelf
from tests.server.rig import Rig

RAW = bytes(range(256)) * 5000
NAME = digest_of(RAW)


def lease(rig: Rig, at: datetime | None = None) -> dict[str, str]:
    token = rig.state.leases.mint("cam-1", at or datetime.now(timezone.utc))
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def device(rig: Rig) -> TestClient:
    rig.state.blobs.put(NAME, RAW)
    rig.device("cam-1")
    client = rig.device_client()
    client.headers.update(lease(rig))
    return client


def test_a_release_is_published_in_three_steps(rig: Rig, tmp_path: Path) -> None:
    made, client = shelf.make(rig, tmp_path), rig.client(Role.RELEASER)

    wanted = client.post("/api/v1/blobs/missing", json={"sha256": [*made.blobs, digest_of(b"")]}).json()["missing"]
    for name in made.blobs:
        assert client.put(f"/api/v1/blobs/{name}", content=made.blobs[name]).status_code == 201
    answer = client.post("/api/v1/releases", files={"manifest": made.manifest, "role": made.role})

    assert set(wanted) == {*made.blobs, digest_of(b"")}
    assert (answer.status_code, answer.json()["id"]) == (201, "app/1.1")
    assert client.get("/api/v1/releases/app/1.1").json()["hw"] == ["jetson-orin", "rpi5"]
    assert [r["id"] for r in client.get("/api/v1/releases").json()] == ["app/1.1"]


def test_a_release_without_its_blobs_is_a_conflict_with_the_reason(rig: Rig, tmp_path: Path) -> None:
    made = shelf.make(rig, tmp_path)

    answer = rig.client(Role.RELEASER).post("/api/v1/releases", files={"manifest": made.manifest, "role": made.role})

    assert (answer.status_code, answer.json()["kind"]) == (409, "artifact_missing")


def test_an_operator_may_not_publish(rig: Rig) -> None:
    client = rig.client(Role.OPERATOR)

    assert client.put(f"/api/v1/blobs/{NAME}", content=RAW).status_code == 403
    assert client.post("/api/v1/releases", files={"manifest": b"", "role": b""}).status_code == 403
    assert not rig.state.blobs.has(NAME)


def test_an_upload_that_does_not_match_its_name_is_refused(rig: Rig) -> None:
    answer = rig.client(Role.RELEASER).put(f"/api/v1/blobs/{NAME}", content=RAW[:-1])

    assert (answer.status_code, answer.json()["kind"]) == (422, "artifact_corrupt")
    assert not rig.state.blobs.has(NAME)


def test_a_name_that_is_no_hash_reaches_no_file(rig: Rig) -> None:
    client = rig.client(Role.RELEASER)

    assert client.put("/api/v1/blobs/..%2f..%2fsurefoot.db", content=b"x").status_code in (404, 422)
    assert client.put("/api/v1/blobs/operator.token", content=b"x").status_code == 422


def test_an_upload_in_many_chunks_is_put_together(rig: Rig) -> None:
    chunks = (RAW[n : n + 100_000] for n in range(0, len(RAW), 100_000))

    answer = rig.client(Role.RELEASER).put(f"/api/v1/blobs/{NAME}", content=chunks)

    assert answer.json() == {"sha256": NAME, "size_bytes": len(RAW)}


def test_a_blob_is_downloaded_whole_with_its_digest_as_tag(device: TestClient) -> None:
    answer = device.get(f"/api/v1/blobs/{NAME}")

    assert (answer.status_code, answer.content) == (200, RAW)
    assert answer.headers["etag"] == f'"{NAME}"'
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    ("wanted", "begin", "end"), [("bytes=100-199", 100, 200), ("bytes=1279900-", 1279900, None), ("bytes=-7", -7, None)]
)
def test_a_part_is_downloaded_by_range(device: TestClient, wanted: str, begin: int, end: int | None) -> None:
    answer = device.get(f"/api/v1/blobs/{NAME}", headers={"Range": wanted, "If-Range": f'"{NAME}"'})

    assert (answer.status_code, answer.content) == (206, RAW[begin:end])


def test_a_range_of_another_file_gives_the_whole_new_one(device: TestClient) -> None:
    answer = device.get(f"/api/v1/blobs/{NAME}", headers={"Range": "bytes=5-9", "If-Range": '"something else"'})

    assert (answer.status_code, len(answer.content)) == (200, len(RAW))


def test_a_range_behind_the_end_is_refused(device: TestClient) -> None:
    assert device.get(f"/api/v1/blobs/{NAME}", headers={"Range": "bytes=9999999-"}).status_code == 416


def test_the_size_can_be_asked_for_alone(device: TestClient) -> None:
    answer = device.head(f"/api/v1/blobs/{NAME}")

    assert (answer.headers["content-length"], answer.content) == (str(len(RAW)), b"")


def test_without_a_lease_nothing_is_downloaded(rig: Rig, device: TestClient) -> None:
    past = lease(rig, datetime.now(timezone.utc) - timedelta(days=1))

    for headers in (
        {"Authorization": ""},
        {"Authorization": "Bearer x.y"},
        past,
        {"Authorization": rig.token(Role.ADMIN)},
    ):
        answer = device.get(f"/api/v1/blobs/{NAME}", headers=headers)
        assert (answer.status_code, answer.json()["kind"]) == (401, "lease_expired")


def test_a_blob_that_is_not_there_is_a_problem(device: TestClient) -> None:
    assert device.get(f"/api/v1/blobs/{'0' * 64}").json()["kind"] == "not_found"


def test_operators_routes_are_not_on_the_devices_listener(device: TestClient) -> None:
    for path in ("/", "/sign-in", "/metrics", "/healthz", "/api/v1/devices", "/api/v1/releases", "/docs"):
        assert device.get(path).status_code == 404


def test_downloads_are_not_on_the_operators_listener(rig: Rig, device: TestClient) -> None:
    assert rig.client(Role.ADMIN).get(f"/api/v1/blobs/{NAME}").status_code == 405


def test_a_lease_of_a_device_that_was_revoked_opens_nothing_from_then_on(rig: Rig, device: TestClient) -> None:
    before = device.get(f"/api/v1/blobs/{NAME}").status_code

    rig.client().post("/api/v1/devices/cam-1/revoke")

    assert (before, device.get(f"/api/v1/blobs/{NAME}").status_code) == (200, 403)


def test_a_release_says_how_well_signed_it_is_and_where_it_runs(rig: Rig, tmp_path: Path) -> None:
    shelf.publish(rig, shelf.make(rig, tmp_path))

    shown = rig.client(Role.VIEWER).get("/api/v1/releases/app/1.1").json()

    assert shown["standing"] == "listed"
    assert (shown["signatures"]["threshold"], len(shown["signatures"]["signed"])) == (1, 1)
    assert shown["where"] == {"running": 0, "by_hw": {}, "by_site": {}, "wanted": 0, "other_slot": 0}
