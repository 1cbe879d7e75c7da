"""Who is let in, who is not, and that asking twice costs nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509

from surefoot_server.audit import service as audit
from surefoot_server.enrolment import repository
from surefoot_server.enrolment.models import Enrolment
from surefoot_server.enrolment.service import TokenWish
from surefoot_shared.errors import Conflict, Invalid, NotAllowed, NotFound
from tests.server.enrolment.asking import Node, make_token, token_id
from tests.server.rig import NOW, Rig, later


def decide(rig: Rig, device: str, approve: bool) -> Enrolment:
    with rig.db.write() as session:
        return rig.state.enrolment.decide(session, device, approve, "anna", NOW)


def revoke(rig: Rig, device: str) -> None:
    with rig.db.write() as session:
        rig.devices.revoke(session, device, "anna", NOW)


def uses(rig: Rig, token: str) -> int:
    with rig.db.read() as session:
        return repository.token(session, token_id(token)).uses


def acts(rig: Rig) -> list[str]:
    with rig.db.read() as session:
        return [entry.action for entry in reversed(audit.entries(session))]


def test_a_node_with_a_good_token_becomes_a_device_with_what_the_token_gives(rig: Rig) -> None:
    wish = TokenWish(auto_approve=True, attributes={"site": "hanoi"}, tags=("lab", "lab", "east"))
    node = Node(rig)

    enrolled = node.ask(make_token(rig, wish))

    assert enrolled is not None
    certificate = x509.load_pem_x509_certificate(enrolled.certificate.encode())
    row = rig.device_row("cam-1")
    assert (row.hw, row.public_key, row.attributes) == ("rpi5", node.public, {"site": "hanoi"})
    assert row.certificate_serial == f"{certificate.serial_number:x}"
    assert (enrolled.mqtt.host, enrolled.mqtt.port, enrolled.mqtt.protocol) == ("localhost", 8883, 5)


def test_asking_again_with_the_same_key_gives_a_certificate_and_costs_no_use(rig: Rig) -> None:
    node, token = Node(rig), make_token(rig, TokenWish(auto_approve=True))

    first, again = node.ask(token), node.ask(token, later(3600))

    assert first is not None
    assert again is not None
    assert first.certificate != again.certificate
    assert uses(rig, token) == 1


def test_a_node_that_was_let_in_may_ask_again_after_the_token_expired(rig: Rig) -> None:
    node, token = Node(rig), make_token(rig, TokenWish(auto_approve=True, valid_s=60))
    node.ask(token)

    assert node.ask(token, later(86_400)) is not None


def test_without_auto_approval_a_node_waits_for_a_person(rig: Rig) -> None:
    node, token = Node(rig), make_token(rig, TokenWish())

    assert node.ask(token) is None
    assert node.ask(token) is None
    with rig.db.read() as session:
        assert repository.device(session, "cam-1") is None, "nobody is a device before approval"
    assert uses(rig, token) == 1


def test_an_approved_node_gets_its_certificate_when_it_asks_again_even_after_the_token_expired(rig: Rig) -> None:
    node, token = Node(rig), make_token(rig, TokenWish(valid_s=60))
    node.ask(token)

    row = decide(rig, "cam-1", approve=True)

    assert (row.state, row.decided_by) == ("approved", "anna")
    assert node.ask(token, later(86_400)) is not None


def test_a_refused_node_stays_refused_and_its_name_is_free_for_another(rig: Rig) -> None:
    node, token = Node(rig), make_token(rig, TokenWish(max_uses=2))
    node.ask(token)
    decide(rig, "cam-1", approve=False)

    with pytest.raises(NotAllowed, match="refused cam-1"):
        node.ask(token)

    assert Node(rig).ask(token) is None


def test_a_decision_is_taken_once(rig: Rig) -> None:
    Node(rig).ask(make_token(rig, TokenWish()))
    decide(rig, "cam-1", approve=True)

    with pytest.raises(Conflict, match="approved already"):
        decide(rig, "cam-1", approve=False)
    with pytest.raises(NotFound, match="cam-9"):
        decide(rig, "cam-9", approve=True)


def test_two_nodes_that_wait_for_one_name_are_not_mixed_up(rig: Rig) -> None:
    token = make_token(rig, TokenWish(max_uses=2))
    first, second = Node(rig), Node(rig)
    first.ask(token)

    with pytest.raises(NotAllowed, match="Another node already asked"):
        second.ask(token)

    decide(rig, "cam-1", approve=True)
    assert first.ask(token) is not None
    assert uses(rig, token) == 1


@pytest.mark.parametrize("text", ["sfe_", "sfe_nobody_secret", "sf_000_00", "sfe_{id}_wrong", "{id}", "sfe_{id}_"])
def test_whoever_does_not_know_a_secret_learns_nothing(rig: Rig, text: str) -> None:
    good = make_token(rig)

    with pytest.raises(NotAllowed) as caught:
        Node(rig).ask(text.format(id=token_id(good)))

    assert caught.value.message == "The enrolment token is unknown."
    assert caught.value.kind == "enrolment_refused"


def test_a_token_runs_out_by_uses(rig: Rig) -> None:
    token = make_token(rig, TokenWish(auto_approve=True, max_uses=2))
    Node(rig, "cam-1").ask(token)
    Node(rig, "cam-2").ask(token)

    with pytest.raises(NotAllowed, match="used 2 times, which is all it allows"):
        Node(rig, "cam-3").ask(token)


def test_a_token_runs_out_by_time_to_the_second(rig: Rig) -> None:
    token = make_token(rig, TokenWish(auto_approve=True, valid_s=60, max_uses=2))
    assert Node(rig, "cam-1").ask(token, later(59)) is not None

    with pytest.raises(NotAllowed, match="expired at 2026-03-01 12:01 UTC"):
        Node(rig, "cam-2").ask(token, NOW + timedelta(seconds=60))


def test_a_revoked_token_lets_nobody_in(rig: Rig) -> None:
    token = make_token(rig)
    with rig.db.write() as session:
        rig.state.enrolment.revoke_token(session, token_id(token), "anna", NOW)
        rig.state.enrolment.revoke_token(session, token_id(token), "anna", NOW)

    with pytest.raises(NotAllowed, match="revoked"):
        Node(rig).ask(token)

    assert acts(rig).count("enrol-token.revoke") == 1


def test_a_token_serves_the_device_and_the_hardware_it_was_made_for(rig: Rig) -> None:
    named = make_token(rig, TokenWish(auto_approve=True, device_id="cam-7"))
    boards = make_token(rig, TokenWish(auto_approve=True, hw="jetson-orin"))

    with pytest.raises(NotAllowed, match="for cam-7, not for cam-1"):
        Node(rig).ask(named)
    with pytest.raises(NotAllowed, match="for jetson-orin, not for rpi5"):
        Node(rig).ask(boards)

    assert Node(rig, "cam-7").ask(named) is not None
    assert Node(rig, "cam-8", "jetson-orin").ask(boards) is not None


def test_an_enrolled_device_is_not_taken_over_by_another_key(rig: Rig) -> None:
    token = make_token(rig)
    owner = Node(rig)
    owner.ask(token)

    with pytest.raises(NotAllowed, match="enrolled already, with another key"):
        Node(rig).ask(token)

    assert rig.device_row("cam-1").public_key == owner.public


def test_an_enrolled_device_may_renew_its_certificate_with_a_new_token_and_its_own_key(rig: Rig) -> None:
    owner = Node(rig)
    owner.ask(make_token(rig))

    assert owner.ask(make_token(rig)) is not None
    assert rig.device_row("cam-1").public_key == owner.public


def test_a_revoked_device_is_refused_with_its_own_key_and_token_and_with_new_ones(rig: Rig) -> None:
    owner, token = Node(rig), make_token(rig)
    owner.ask(token)
    revoke(rig, "cam-1")

    for node, with_token in ((owner, token), (owner, make_token(rig)), (Node(rig), token)):
        with pytest.raises(NotAllowed, match="cam-1 is revoked"):
            node.ask(with_token)

    assert rig.device_row("cam-1").revoked_at is not None


def test_a_replacing_token_brings_a_device_back_once_with_a_new_key(rig: Rig) -> None:
    Node(rig).ask(make_token(rig))
    revoke(rig, "cam-1")
    token = make_token(rig, TokenWish(auto_approve=True, device_id="cam-1", replace=True))
    fresh = Node(rig)

    assert fresh.ask(token) is not None

    assert rig.device_row("cam-1").public_key == fresh.public
    assert rig.device_row("cam-1").revoked_at is None
    with pytest.raises(NotAllowed, match="used 1 times"):
        Node(rig).ask(token)


def test_a_replacing_token_does_not_undo_a_later_revocation(rig: Rig) -> None:
    token = make_token(rig, TokenWish(auto_approve=True, device_id="cam-1", replace=True))
    node = Node(rig)
    node.ask(token)
    revoke(rig, "cam-1")

    with pytest.raises(NotAllowed, match="cam-1 is revoked"):
        node.ask(token)


@pytest.mark.parametrize("wish", [TokenWish(replace=True), TokenWish(replace=True, device_id="cam-1", max_uses=2)])
def test_a_replacing_token_names_its_device_and_is_used_once(rig: Rig, wish: TokenWish) -> None:
    with pytest.raises(Invalid, match="names the device and is used once"):
        make_token(rig, wish)


def test_a_request_for_another_name_than_it_is_signed_for_is_refused(rig: Rig) -> None:
    token, node = make_token(rig), Node(rig)
    asked = node.request(token)
    swapped = type(asked)("cam-2", asked.hw, asked.token, asked.csr)

    with rig.db.write() as session, pytest.raises(Invalid, match="not for 'cam-2'"):
        rig.state.enrolment.enrol(session, swapped, NOW)

    assert uses(rig, token) == 0


@pytest.mark.parametrize("hw", ["", "A B", "x" * 65, "../x", "Jetson"])
def test_a_hardware_name_that_is_none_is_refused(rig: Rig, hw: str) -> None:
    with pytest.raises(Invalid, match="not the name of a hardware"):
        Node(rig, hw=hw).ask(make_token(rig))


def test_a_refusal_leaves_no_trace_of_the_node(rig: Rig) -> None:
    token = make_token(rig, TokenWish(auto_approve=True, hw="jetson-orin"))

    with pytest.raises(NotAllowed):
        Node(rig).ask(token)

    with rig.db.read() as session:
        assert repository.enrolment(session, "cam-1") is None
    assert uses(rig, token) == 0


def test_every_step_is_in_the_audit_trail_and_no_secret_is(rig: Rig) -> None:
    token, node = make_token(rig, TokenWish()), Node(rig)
    node.ask(token)
    decide(rig, "cam-1", approve=True)
    node.ask(token)
    node.ask(token)

    assert acts(rig)[-4:] == ["enrol-token.create", "device.approve", "device.enrol", "device.certificate"]
    with rig.db.read() as session:
        assert audit.verify(session).whole
        everything = " ".join(str(entry.model_dump()) for entry in audit.entries(session))
    assert token.split("_")[2] not in everything
