"""Make, keep and use signing keys; the one form in which Surefoot writes TUF metadata.

Keys are Ed25519 in PKCS#8 PEM, encrypted with a passphrase where they are kept offline. Any other securesystemslib
signer (PKCS#11, Vault, cloud KMS) serves as well: everything that signs takes `Signer`s. Touches no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from securesystemslib.signer import CryptoSigner, Key, Signer
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from surefoot_shared.errors import ConfigError

T = TypeVar("T", Root, Targets, Snapshot, Timestamp)
_COMPACT = JSONSerializer(compact=True)


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """Who may sign a role: any `threshold` of `keys`."""

    keys: tuple[Key, ...]
    threshold: int = 1


def sign(signed: T, signers: Sequence[Signer]) -> bytes:
    """Sign with every signer and return the file's bytes; raises ConfigError where a signer refuses."""
    metadata = Metadata(signed)
    for signer in signers:
        try:
            metadata.sign(signer, append=True)
        except UnsignedMetadataError as error:
            raise refused(error) from error
    return metadata.to_bytes(_COMPACT)


def refused(error: UnsignedMetadataError) -> ConfigError:
    """What to say where a key file, token or service would not sign."""
    cause = error.__cause__
    why = str(cause) or type(cause).__name__ if cause else str(error)
    return ConfigError("key_missing", f"A signer refused to sign: {why}.", "Check its token or service, and the PIN.")


def whole_seconds(at: datetime, lifetime: timedelta = timedelta(0)) -> datetime:
    """TUF times have no fraction."""
    return (at.astimezone(timezone.utc) + lifetime).replace(microsecond=0)


def new_signer() -> CryptoSigner:
    return CryptoSigner.generate_ed25519()


def signer_to_pem(signer: CryptoSigner, passphrase: bytes | None) -> bytes:
    """PKCS#8 PEM, encrypted where a passphrase is given."""
    key = serialization.load_pem_private_key(signer.private_bytes, None)
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        encryption = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def signer_from_pem(pem: bytes, passphrase: bytes | None, name: str) -> CryptoSigner:
    """Load a key; `name` is what an error calls it. Raises ConfigError where it or the passphrase is wrong."""
    try:
        key = serialization.load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError) as error:
        hint = "Check the passphrase (SUREFOOT_PASSPHRASE_FILE) and the file."
        raise ConfigError("config_invalid", f"The key {name} cannot be opened.", hint) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ConfigError("config_invalid", f"The key {name} is not an Ed25519 key.")
    return CryptoSigner(key)
