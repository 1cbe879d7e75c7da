"""Keys known beforehand and a factory's word; tokens are in test_service."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from surefoot_server.enrolment.service import Gift
from surefoot_server.enrolment.ways import fingerprint_of
from surefoot_shared.enrolment import Enrolled, EnrolRequest
from surefoot_shared.errors import Conflict, Invalid, NotAllowed
from tests.server.broker.rig import request as csr
from tests.server.enrolment.asking import Node
from tests.server.pki.factory import Maker, maker, pem
from tests.server.rig import NOW, Rig


def preauthorise(rig: Rig, node: Node, **gift: object) -> None:
    with rig.db.write() as session:
        rig.state.enrolment.preauthorise(
            session,
            node.device,
            fingerprint_of(node.public),
            Gift(**gift),
            "anna",
            NOW,  # type: ignore[arg-type]
        )


def ask(rig: Rig, node: Node, chain: bytes = b"") -> Enrolled | None:
    request = EnrolRequest(node.device, node.hw, "", csr(node.device, node.key).decode(), chain=chain.decode())
    with rig.db.write() as session:
        return rig.state.enrolment.enrol(session, request, NOW)


def register(rig: Rig, authority: Maker, *, auto_approve: bool = True, hw: str | None = None) -> str:
    with rig.db.write() as session:
        gift = Gift(hw=hw, tags=("factory",))
        return rig.state.enrolment.add_factory(session, "Acme", authority.pem, auto_approve, gift, "anna", NOW).id


@pytest.fixture
def node(rig: Rig) -> Node:
    return Node(rig)


@pytest.fixture
def acme() -> Maker:
    return maker("Acme root")


def test_a_key_that_was_registered_beforehand_becomes_its_device_without_a_token(rig: Rig, node: Node) -> None:
    preauthorise(rig, node, attributes={"site": "hanoi"}, hw="rpi5")

    first, again = ask(rig, node), ask(rig, node)

    assert first is not None
    assert again is not None
    assert rig.device_row("cam-1").attributes == {"site": "hanoi"}


def test_another_key_for_a_registered_id_is_refused(rig: Rig, node: Node) -> None:
    preauthorise(rig, node)

    with pytest.raises(NotAllowed, match="registered beforehand"):
        ask(rig, Node(rig, "cam-1"))


def test_a_registered_key_serves_its_own_id_only(rig: Rig, node: Node) -> None:
    preauthorise(rig, node)
    node.device = "cam-2"

    with pytest.raises(NotAllowed):
        ask(rig, node)


def test_a_registered_key_on_other_hardware_is_refused(rig: Rig, node: Node) -> None:
    preauthorise(rig, node, hw="jetson-orin")

    with pytest.raises(NotAllowed, match="for jetson-orin"):
        ask(rig, node)


def test_a_revoked_device_does_not_come_back_by_its_registered_key(rig: Rig, node: Node) -> None:
    preauthorise(rig, node)
    ask(rig, node)
    with rig.db.write() as session:
        rig.devices.revoke(session, "cam-1", "anna", NOW)

    with pytest.raises(NotAllowed, match="revoked"):
        ask(rig, node)


def test_a_key_cannot_be_registered_for_a_device_that_exists(rig: Rig, node: Node) -> None:
    rig.device("cam-1")

    with pytest.raises(Conflict, match="already"):
        preauthorise(rig, node)


@pytest.mark.parametrize("text", ["", "AB" * 32, "ab" * 31, "zz" * 32])
def test_what_is_no_sha256_is_refused(rig: Rig, text: str) -> None:
    with rig.db.write() as session, pytest.raises(Invalid):
        rig.state.enrolment.preauthorise(session, "cam-1", text, Gift(), "anna", NOW)


def test_a_factorys_certificate_of_the_devices_own_key_lets_it_in(rig: Rig, node: Node, acme: Maker) -> None:
    line = acme.authority("Line 4")
    register(rig, acme)

    assert ask(rig, node, pem(line.device("cam-1", node.key), line.certificate)) is not None
    assert rig.device_row("cam-1").public_key == node.public


def test_without_approval_of_the_factory_a_person_decides(rig: Rig, node: Node, acme: Maker) -> None:
    register(rig, acme, auto_approve=False)
    chain = pem(acme.device("cam-1", node.key))

    assert ask(rig, node, chain) is None
    with rig.db.write() as session:
        rig.state.enrolment.decide(session, "cam-1", True, "anna", NOW)
    assert ask(rig, node, chain) is not None


def theirs(node: Node, acme: Maker) -> bytes:
    return pem(acme.device("cam-2", node.key))


def stolen(node: Node, acme: Maker) -> bytes:
    return pem(acme.device("cam-1", Node(node.rig).key))


def foreign(node: Node, _acme: Maker) -> bytes:
    return pem(maker("Acme root").device("cam-1", node.key))


@pytest.mark.parametrize(
    ("chain", "why"),
    [(theirs, "for 'cam-2'"), (stolen, "not for the key"), (foreign, "no registered authority")],
    ids=["another device's", "another key's", "another factory's"],
)
def test_a_factory_certificate_proves_its_own_name_and_key_only(
    rig: Rig, node: Node, acme: Maker, chain: Callable[[Node, Maker], bytes], why: str
) -> None:
    register(rig, acme)

    with pytest.raises(NotAllowed, match=why):
        ask(rig, node, chain(node, acme))


def test_a_removed_factory_lets_nobody_else_in_and_its_devices_stay(rig: Rig, acme: Maker) -> None:
    ca_id, first, second = register(rig, acme), Node(rig, "cam-1"), Node(rig, "cam-2")
    ask(rig, first, pem(acme.device("cam-1", first.key)))

    with rig.db.write() as session:
        rig.state.enrolment.remove_factory(session, ca_id, "anna", NOW)

    with pytest.raises(NotAllowed):
        ask(rig, second, pem(acme.device("cam-2", second.key)))
    assert rig.device_row("cam-1").revoked_at is None


def test_a_factory_certificate_of_a_revoked_device_does_not_bring_it_back(rig: Rig, node: Node, acme: Maker) -> None:
    register(rig, acme)
    chain = pem(acme.device("cam-1", node.key))
    ask(rig, node, chain)
    with rig.db.write() as session:
        rig.devices.revoke(session, "cam-1", "anna", NOW)

    with pytest.raises(NotAllowed, match="revoked"):
        ask(rig, node, chain)
