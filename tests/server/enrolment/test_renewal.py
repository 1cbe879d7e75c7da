"""A device's next key: whose word counts, and that no interruption leaves it without a key that speaks for it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography import x509

from surefoot_server.audit import service as audit
from surefoot_server.devices import repository
from surefoot_server.enrolment.renewal import Answer
from surefoot_server.ingest import Ingest
from surefoot_shared import wire
from surefoot_shared.enrolment import RenewRequest
from surefoot_shared.errors import Invalid, NotAllowed
from surefoot_shared.identity import DeviceKey, generate_key, public_to_pem, seal
from surefoot_shared.messages import Sealed
from surefoot_shared.seals import SealKind
from tests.server.broker.rig import request as csr
from tests.server.enrolment.asking import Node, make_token
from tests.server.rig import NOW, Rig, hello, later


def pem(key: DeviceKey) -> str:
    return public_to_pem(key.public_key()).decode()


def sealed(signer: DeviceKey, next_key: DeviceKey, device: str = "cam-1", kind: SealKind = SealKind.RENEW) -> Sealed:
    return seal(kind, wire.encode(RenewRequest(device, csr(device, next_key).decode())), signer)


def renew(rig: Rig, request: Sealed, now: datetime = NOW) -> Answer:
    with rig.db.write() as session:
        return rig.state.enrolment.renew(session, request, now)


def says_hello(rig: Rig, key: DeviceKey, seq: int) -> None:
    ingest = Ingest(rig.db, rig.devices, lambda acks, leases: None, lambda: NOW)
    with ingest.batch() as taken:
        taken.signed("cam-1", key.public_key())
        taken.hello(hello("cam-1", seq))


def keys(rig: Rig) -> list[str]:
    return [public_to_pem(key).decode() for key in repository.keys_of(rig.device_row("cam-1"))]


def acts(rig: Rig) -> list[str]:
    with rig.db.read() as session:
        return [entry.action for entry in reversed(audit.entries(session))]


@pytest.fixture
def node(rig: Rig) -> Node:
    made = Node(rig)
    made.ask(make_token(rig))
    return made


def test_both_keys_speak_for_the_device_until_a_hello_comes_with_the_new_one(rig: Rig, node: Node) -> None:
    new = generate_key()

    answer = renew(rig, sealed(node.key, new))
    during = keys(rig)
    says_hello(rig, node.key, 1)
    still = keys(rig)
    says_hello(rig, new, 2)

    assert answer.renewed is not None
    certificate = x509.load_pem_x509_certificate(answer.renewed.certificate.encode())
    assert public_to_pem(certificate.public_key()).decode() == pem(new)  # type: ignore[arg-type]  # the CA makes P-256
    assert during == still == [node.public, pem(new)]
    assert keys(rig) == [pem(new)]
    assert rig.device_row("cam-1").certificate_serial == f"{certificate.serial_number:x}"
    assert acts(rig)[-2:] == ["device.certificate", "device.renewed"]


def test_the_old_certificate_ends_with_the_first_hello_of_the_new_key(rig: Rig, node: Node) -> None:
    old, new = rig.device_row("cam-1").certificate_serial, generate_key()
    renew(rig, sealed(node.key, new))

    says_hello(rig, new, 1)

    with rig.db.read() as session:
        revoked = repository.revoked_certificates(session, NOW)
    assert [(row.serial, row.reason) for row in revoked] == [(old, "superseded")]


def test_asking_again_after_a_cut_gives_the_same_key_another_certificate(rig: Rig, node: Node) -> None:
    new = generate_key()

    first, again = renew(rig, sealed(node.key, new)), renew(rig, sealed(node.key, new))

    assert first.renewed is not None
    assert again.renewed is not None
    assert keys(rig) == [node.public, pem(new)]


def test_the_word_of_any_other_key_is_refused_and_noted(rig: Rig, node: Node) -> None:
    answer = renew(rig, sealed(generate_key(), generate_key()))

    assert answer.refused == "The request is not signed with the device's key."
    assert keys(rig) == [node.public]
    assert acts(rig)[-1] == "renewal.refused"


@pytest.mark.parametrize("kind", [SealKind.HELLO, SealKind.EVENT, SealKind.TOKEN])
def test_a_signature_made_for_another_kind_of_message_is_no_request(rig: Rig, node: Node, kind: SealKind) -> None:
    assert renew(rig, sealed(node.key, generate_key(), kind=kind)).refused


def test_a_replayed_request_of_the_key_before_is_refused(rig: Rig, node: Node) -> None:
    first = sealed(node.key, second := generate_key())
    renew(rig, first)
    says_hello(rig, second, 1)

    answer = renew(rig, first)

    assert answer.refused
    assert keys(rig) == [pem(second)]


def test_a_renewal_with_the_same_key_is_none(rig: Rig, node: Node) -> None:
    assert renew(rig, sealed(node.key, node.key)).refused == "A renewal needs a new key."


def test_a_request_for_another_devices_name_is_refused(rig: Rig, node: Node) -> None:
    other = Node(rig, "cam-2")
    other.ask(make_token(rig))

    stolen = seal(SealKind.RENEW, wire.encode(RenewRequest("cam-1", csr("cam-2", generate_key()).decode())), node.key)
    assert renew(rig, sealed(node.key, generate_key(), "cam-2")).refused
    with pytest.raises(Invalid, match="not for 'cam-1'"):
        renew(rig, stolen)


def test_an_unknown_device_is_refused_and_fills_no_trail(rig: Rig) -> None:
    before = acts(rig)

    assert renew(rig, sealed(generate_key(), generate_key(), "ghost")).refused
    assert acts(rig) == before


def test_a_revoked_device_gets_no_certificate(rig: Rig, node: Node) -> None:
    with rig.db.write() as session:
        rig.devices.revoke(session, "cam-1", "anna", NOW)

    assert renew(rig, sealed(node.key, generate_key())).refused == "The device is revoked."


def test_a_superseded_key_cannot_enrol_again_with_its_old_token(rig: Rig) -> None:
    node, token = Node(rig), make_token(rig)
    node.ask(token)
    new = generate_key()
    renew(rig, sealed(node.key, new))
    says_hello(rig, new, 1)

    with pytest.raises(NotAllowed, match="newer key"):
        node.ask(token)


def test_a_device_that_was_away_for_less_than_the_grace_comes_back_by_itself(rig: Rig, node: Node) -> None:
    away = later(timedelta(days=90 + 60).total_seconds())

    assert renew(rig, sealed(node.key, generate_key()), away).renewed is not None


def test_a_device_that_was_away_longer_waits_for_a_person(rig: Rig, node: Node) -> None:
    away, new = later(timedelta(days=400).total_seconds()), generate_key()

    first = renew(rig, sealed(node.key, new), away)
    with rig.db.write() as session:
        rig.state.enrolment.decide(session, "cam-1", True, "anna", away)
    second = renew(rig, sealed(node.key, new), away)

    assert (first.renewed, first.refused) == (None, "")
    assert second.renewed is not None
    assert {"device.return", "device.approve"} <= set(acts(rig))


def test_a_person_can_refuse_a_device_that_was_away(rig: Rig, node: Node) -> None:
    away, new = later(timedelta(days=400).total_seconds()), generate_key()
    renew(rig, sealed(node.key, new), away)
    with rig.db.write() as session:
        rig.state.enrolment.decide(session, "cam-1", False, "anna", away)

    assert "refused" in renew(rig, sealed(node.key, new), away).refused


def test_over_http_a_forged_request_is_403_and_its_note_stays(rig: Rig, node: Node) -> None:
    forged = sealed(generate_key(), generate_key())

    answer = rig.device_client().post(
        "/api/v1/renew", json={"payload": forged.payload, "signature": forged.signature, "v": 1}
    )

    assert (answer.status_code, answer.json()["kind"]) == (403, "enrolment_refused")
    assert acts(rig)[-1] == "renewal.refused"
