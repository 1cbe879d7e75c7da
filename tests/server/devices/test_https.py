"""Fetching over HTTPS: a signature earns a token, a token the bundle and leave to download; nothing else does."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from httpx import Response

from surefoot_server.audit import service as audit
from surefoot_shared import wire
from surefoot_shared.identity import DeviceKey, generate_key, public_to_pem, seal
from surefoot_shared.seals import SealKind
from surefoot_shared.tokens import TokenRequest
from surefoot_shared.trust.bundle import unpack
from tests.server.rig import NOW, Rig, hello

ASKED = TokenRequest("cam-1", "stream-1", 1, "nonce-1", "2026-03-01T12:00:00Z")


@pytest.fixture
def key(rig: Rig) -> DeviceKey:
    made = generate_key()
    with rig.db.write() as session:
        rig.devices.register(session, "cam-1", "rpi5", public_to_pem(made.public_key()).decode(), NOW)
    return made


def ask(rig: Rig, key: DeviceKey, asked: TokenRequest = ASKED, kind: SealKind = SealKind.TOKEN) -> Response:
    body = wire.to_json(seal(kind, wire.encode(asked), key))
    return rig.device_client().post("/api/v1/token", json=body)


def bearer(rig: Rig, key: DeviceKey, seq: int = 1) -> dict[str, str]:
    return {"Authorization": f"Bearer {ask(rig, key, replace(ASKED, seq=seq)).json()['token']}"}


def acts(rig: Rig) -> list[str]:
    with rig.db.read() as session:
        return [row.action for row in audit.entries(session, "device:cam-1")]


def test_a_signed_request_earns_a_token_of_an_hour(rig: Rig, key: DeviceKey) -> None:
    answer = ask(rig, key)

    assert (answer.status_code, answer.json()["valid_s"]) == (200, 3600.0)
    token = answer.json()["token"]
    now = datetime.now(timezone.utc)
    assert rig.state.tokens.check(token, now) == "cam-1"
    later = rig.device_client().get("/api/v1/bundle", headers={"Authorization": f"Bearer {token}x"})
    assert later.status_code == 401


def test_the_same_request_again_is_refused_and_audited(rig: Rig, key: DeviceKey) -> None:
    ask(rig, key)

    again = ask(rig, key)

    assert (again.status_code, again.json()["kind"]) == (403, "not_allowed")
    assert acts(rig)[0] == "token.refused"


def test_a_flood_of_copies_makes_one_row(rig: Rig, key: DeviceKey) -> None:
    for _ in range(5):
        ask(rig, key)

    assert acts(rig).count("token.refused") == 1


def test_a_new_number_serves_and_another_journal_counts_for_itself(rig: Rig, key: DeviceKey) -> None:
    for asked in (ASKED, replace(ASKED, seq=2), replace(ASKED, stream="stream-2")):
        assert ask(rig, key, asked).status_code == 200


def test_a_request_signed_with_another_key_is_refused_and_audited(rig: Rig, key: DeviceKey) -> None:
    assert ask(rig, generate_key()).status_code == 403
    assert "token.refused" in acts(rig)
    assert ask(rig, key).status_code == 200, "a forgery uses up no number"


def test_a_signature_made_for_a_hello_earns_no_token(rig: Rig, key: DeviceKey) -> None:
    assert ask(rig, key, kind=SealKind.HELLO).status_code == 403


def test_an_unknown_device_earns_nothing(rig: Rig, key: DeviceKey) -> None:
    assert ask(rig, key, replace(ASKED, device="cam-2")).status_code == 403


def test_a_revoked_device_earns_nothing_and_its_token_ends_with_it(rig: Rig, key: DeviceKey) -> None:
    headers = bearer(rig, key)
    with rig.db.write() as session:
        rig.devices.revoke(session, "cam-1", "anna", NOW)

    refused = ask(rig, key, replace(ASKED, seq=9))
    assert refused.status_code == 403
    assert "enrol it again" in refused.json()["hint"], "signing anew, as after a replay, would help nobody"
    assert rig.device_client().get("/api/v1/bundle", headers=headers).status_code == 403


@pytest.mark.parametrize("body", [b"", b"{}", b'{"payload": "x", "signature": ""}', b"[" * 5000])
def test_junk_is_malformed(rig: Rig, key: DeviceKey, body: bytes) -> None:
    assert rig.device_client().post("/api/v1/token", content=body).status_code == 422


def test_the_bundle_is_the_devices_own_and_whole(rig: Rig, key: DeviceKey) -> None:
    rig.release("app/1.1")
    row = rig.assign("cam-1", "app/1.1")

    answer = rig.device_client().get("/api/v1/bundle", headers=bearer(rig, key))

    bundle = unpack(answer.content)
    assert bundle.device == "cam-1"
    assert any(row.id in text for text in bundle.director.values())
    assert {"timestamp.json"} <= set(bundle.image)


def test_leave_to_download_is_given_while_something_is_wanted(rig: Rig, key: DeviceKey) -> None:
    headers = bearer(rig, key)
    assert rig.device_client().post("/api/v1/lease", headers=headers).status_code == 404
    rig.release("app/1.1")
    row = rig.assign("cam-1", "app/1.1")

    lease = rig.device_client().post("/api/v1/lease", headers=headers).json()

    assert lease["assignment"] == row.id
    (source,) = lease["sources"]
    assert source["url"] == rig.state.settings.blobs_url
    assert rig.state.leases.check(source["token"], datetime.now(timezone.utc)) == "cam-1"


def test_a_token_is_no_lease_and_a_lease_is_no_token(rig: Rig, key: DeviceKey) -> None:
    now = datetime.now(timezone.utc)
    lease = {"Authorization": f"Bearer {rig.state.leases.mint('cam-1', now)}"}

    assert rig.device_client().get(f"/api/v1/blobs/{'0' * 64}", headers=bearer(rig, key)).status_code == 401
    assert rig.device_client().get("/api/v1/bundle", headers=lease).status_code == 401


def test_a_token_that_ended_is_refused(rig: Rig, key: DeviceKey) -> None:
    old = rig.state.tokens.mint("cam-1", datetime.now(timezone.utc) - timedelta(hours=2))

    answer = rig.device_client().get("/api/v1/bundle", headers={"Authorization": f"Bearer {old}"})

    assert answer.status_code == 401


def test_an_operator_may_take_the_bundle_along_on_a_medium(rig: Rig, key: DeviceKey) -> None:
    answer = rig.client().get("/api/v1/devices/cam-1/bundle")

    assert unpack(base64.b64decode(answer.json()["bundle"])).device == "cam-1"
    assert acts(rig)[0] == "device.bundle"


def test_the_bundle_answers_the_newest_hello_so_that_a_wrong_clock_can_be_told(rig: Rig, key: DeviceKey) -> None:
    headers = bearer(rig, key)
    with rig.db.write() as session:
        for seq in (1, 2):
            rig.devices.hello(session, hello("cam-1", seq), NOW)

    raw = rig.device_client().get("/api/v1/bundle", headers=headers).content

    assert '"x-nonce":"i1-2"' in unpack(raw).director["timestamp.json"]
