"""What a manufacturer's certificates prove, and what they do not."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from surefoot_server.pki.chain import CHAIN_BYTES, LONGEST, read_authority, verify_chain
from surefoot_shared.errors import Invalid, NotAllowed
from surefoot_shared.identity import generate_key, public_to_pem
from tests.server.pki.factory import NOW, Maker, make, maker, pem


@pytest.fixture
def root() -> Maker:
    return maker()


def test_a_chain_proves_the_name_and_the_key_of_its_first_certificate(root: Maker) -> None:
    line, key = root.authority("Line 4"), generate_key()

    proven = verify_chain(
        pem(line.device("cam-1", key), line.certificate), [maker().certificate, root.certificate], NOW
    )

    assert (proven.name, proven.public_key) == ("cam-1", public_to_pem(key.public_key()).decode())
    assert proven.authority == root.certificate


def test_the_root_itself_may_stand_at_the_end(root: Maker) -> None:
    proven = verify_chain(pem(root.device("cam-1", generate_key()), root.certificate), [root.certificate], NOW)

    assert proven.name == "cam-1"


def test_a_registered_authority_in_the_middle_is_enough(root: Maker) -> None:
    line = root.authority("Line 4")

    assert verify_chain(pem(line.device("cam-1", generate_key())), [line.certificate], NOW).name == "cam-1"


def test_an_authority_of_the_same_name_that_nobody_registered_is_nobody(root: Maker) -> None:
    impostor = maker("Maker root")

    with pytest.raises(NotAllowed, match="no registered authority"):
        verify_chain(pem(impostor.device("cam-1", generate_key())), [root.certificate], NOW)
    with pytest.raises(NotAllowed, match="no registered authority"):
        verify_chain(pem(impostor.device("cam-1", generate_key()), impostor.certificate), [root.certificate], NOW)


def test_a_device_cannot_certify_another(root: Maker) -> None:
    device = root.authority("cam-1", signs=False)
    forged = device.device("cam-2", generate_key())

    with pytest.raises(NotAllowed, match="must not"):
        verify_chain(pem(forged, device.certificate), [root.certificate], NOW)


def test_certificates_that_do_not_follow_from_each_other_prove_nothing(root: Maker) -> None:
    line, other = root.authority("Line 4"), root.authority("Line 5")

    with pytest.raises(NotAllowed, match="do not follow"):
        verify_chain(pem(line.device("cam-1", generate_key()), other.certificate), [root.certificate], NOW)


@pytest.mark.parametrize("days", [-11, 301])
def test_a_certificate_counts_only_between_its_dates(root: Maker, days: int) -> None:
    chain = pem(root.device("cam-1", generate_key(), days=300))

    with pytest.raises(NotAllowed, match="not valid now"):
        verify_chain(chain, [root.certificate], NOW + dt.timedelta(days=days))


def test_an_authority_that_ended_certifies_nobody() -> None:
    old = maker(days=1)

    with pytest.raises(NotAllowed, match="not valid now"):
        verify_chain(pem(old.device("cam-1", generate_key())), [old.certificate], NOW + dt.timedelta(days=2))


def test_a_key_of_another_kind_is_refused(root: Maker) -> None:
    big = ec.generate_private_key(ec.SECP384R1()).public_key()
    leaf = make("cam-1", big, root.certificate.subject, root.key, ca=False)

    with pytest.raises(NotAllowed, match="P-256"):
        verify_chain(pem(leaf), [root.certificate], NOW)


@pytest.mark.parametrize("text", [b"", b"rubbish", b"x" * (CHAIN_BYTES + 1)])
def test_what_is_no_certificate_is_malformed(root: Maker, text: bytes) -> None:
    with pytest.raises(Invalid):
        verify_chain(text, [root.certificate], NOW)


def test_an_endless_chain_is_not_walked(root: Maker) -> None:
    with pytest.raises(Invalid, match="allowed"):
        verify_chain(pem(*[root.certificate] * (LONGEST + 1)), [root.certificate], NOW)


def test_only_the_one_certificate_of_an_authority_can_be_registered(root: Maker) -> None:
    assert read_authority(root.pem, NOW) == root.certificate
    for bad in (pem(root.device("cam-1", generate_key())), root.pem + root.pem, b"rubbish", maker(signs=False).pem):
        with pytest.raises(Invalid):
            read_authority(bad, NOW)
    with pytest.raises(Invalid):
        read_authority(root.pem, NOW + dt.timedelta(days=9999))
