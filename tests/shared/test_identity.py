"""A signature speaks for one key and one kind of message."""

from __future__ import annotations

import base64
import dataclasses

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from surefoot_shared.errors import ConfigError, Invalid
from surefoot_shared.identity import (
    generate_key,
    key_from_pem,
    key_to_pem,
    open_sealed,
    public_from_pem,
    public_to_pem,
    seal,
)
from surefoot_shared.messages import Sealed
from surefoot_shared.seals import SealKind

TEXT = '{"device":"cam-17","message":"Đà Nẵng"}'.encode()


@pytest.mark.parametrize("kind", SealKind)
def test_what_was_sealed_is_opened_as_it_was(kind: SealKind) -> None:
    key = generate_key()

    assert open_sealed(kind, seal(kind, TEXT, key), key.public_key()) == TEXT


def test_a_seal_of_one_kind_does_not_open_as_another() -> None:
    key = generate_key()

    for made in SealKind:
        for opened in SealKind:
            if made is not opened:
                with pytest.raises(Invalid, match="not signed with this device's key"):
                    open_sealed(opened, seal(made, TEXT, key), key.public_key())


def test_another_devices_seal_does_not_open() -> None:
    with pytest.raises(Invalid, match="event is not signed"):
        open_sealed(SealKind.EVENT, seal(SealKind.EVENT, TEXT, generate_key()), generate_key().public_key())


@pytest.mark.parametrize("place", [0, 10, len(TEXT) // 2])
def test_an_altered_text_does_not_open(place: int) -> None:
    key = generate_key()
    sealed = seal(SealKind.HELLO, TEXT, key)
    changed = sealed.payload[:place] + "X" + sealed.payload[place + 1 :]

    with pytest.raises(Invalid):
        open_sealed(SealKind.HELLO, dataclasses.replace(sealed, payload=changed), key.public_key())


@pytest.mark.parametrize(
    "signature", ["", "AAAA", "not base64!", "é", "=" * 8, base64.b64encode(b"\x30\x00").decode(), "A" * 10_000]
)
def test_a_signature_that_is_none_does_not_open(signature: str) -> None:
    with pytest.raises(Invalid):
        open_sealed(SealKind.HELLO, Sealed(TEXT.decode(), signature), generate_key().public_key())


def test_text_that_cannot_be_encoded_is_refused_and_not_raised() -> None:
    key = generate_key()
    signature = seal(SealKind.HELLO, TEXT, key).signature

    with pytest.raises(Invalid):
        open_sealed(SealKind.HELLO, Sealed("\ud800", signature), key.public_key())


def test_a_key_survives_its_file() -> None:
    key = generate_key()

    again, public = key_from_pem(key_to_pem(key)), public_from_pem(public_to_pem(key.public_key()))

    assert open_sealed(SealKind.EVENT, seal(SealKind.EVENT, TEXT, again), public) == TEXT


def private_pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, secret: bytes = b""
) -> bytes:
    how = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def test_a_private_key_of_another_kind_is_refused() -> None:
    others = (
        rsa.generate_private_key(65537, 2048),
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP384R1()),
    )

    for key in others:
        with pytest.raises(ConfigError, match="not a P-256 key") as caught:
            key_from_pem(private_pem(key))
        assert caught.value.kind == "config_invalid"


@pytest.mark.parametrize(
    "pem", [b"", b"rubbish", private_pem(generate_key(), b"passphrase")], ids=["empty", "rubbish", "locked"]
)
def test_a_private_key_that_cannot_be_read_says_to_enrol_again(pem: bytes) -> None:
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        key_from_pem(pem)

    assert "Enrol" in caught.value.hint


def test_a_public_key_that_is_no_p_256_key_is_refused() -> None:
    big = ec.generate_private_key(ec.SECP384R1()).public_key()
    pems = (
        b"",
        b"rubbish",
        big.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        ed25519.Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    )

    for pem in pems:
        with pytest.raises(Invalid):
            public_from_pem(pem)
