"""Keys and signatures."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tuf.api.metadata import Metadata, Targets

from surefoot_shared.errors import ConfigError
from surefoot_shared.trust.signing import new_signer, sign, signer_from_pem, signer_to_pem, whole_seconds


def test_every_signer_leaves_its_signature() -> None:
    signers = [new_signer(), new_signer()]

    metadata = Metadata[Targets].from_bytes(sign(Targets(1), signers))

    assert set(metadata.signatures) == {signer.public_key.keyid for signer in signers}
    for signer in signers:
        signer.public_key.verify_signature(metadata.signatures[signer.public_key.keyid], metadata.signed_bytes)


def test_a_key_read_back_has_the_same_id() -> None:
    signer = new_signer()

    for passphrase in (None, b"correct horse"):
        again = signer_from_pem(signer_to_pem(signer, passphrase), passphrase, "k")
        assert again.public_key.keyid == signer.public_key.keyid


@pytest.mark.parametrize("passphrase", [None, b"", b"wrong"])
def test_an_encrypted_key_needs_its_passphrase(passphrase: bytes | None) -> None:
    pem = signer_to_pem(new_signer(), b"correct horse")

    with pytest.raises(ConfigError, match=r"k\.pem"):
        signer_from_pem(pem, passphrase, "k.pem")


def test_a_key_of_another_type_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    with pytest.raises(ConfigError, match="not an Ed25519"):
        signer_from_pem(pem, None, "k.pem")


def test_times_are_utc_without_a_fraction() -> None:
    local = datetime(2026, 6, 1, 14, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))

    assert whole_seconds(local, timedelta(days=1)) == datetime(2026, 6, 2, 12, tzinfo=timezone.utc)
