"""The device's key: makes it, signs hello, events and token requests with it, and checks such signatures.

The same P-256 key is behind the client certificate and these signatures, so a stolen broker password or a proxy cannot
speak for a device. Signatures are ECDSA with SHA-256 over what `seals` says. Source: FIPS 186-5; DESIGN §4.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from surefoot_shared.errors import ConfigError, Invalid
from surefoot_shared.messages import Sealed
from surefoot_shared.seals import SealKind, sealed_by, signed_bytes

DeviceKey = ec.EllipticCurvePrivateKey
DevicePublicKey = ec.EllipticCurvePublicKey


def generate_key() -> DeviceKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_to_pem(key: DeviceKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def key_from_pem(pem: bytes) -> DeviceKey:
    """Load an unencrypted P-256 key; raises ConfigError where it is anything else."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError("config_invalid", "The device key cannot be read.", "Enrol the device again.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError("config_invalid", "The device key is not a P-256 key.", "Enrol the device again.")
    return key


def public_to_pem(key: DevicePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_from_pem(pem: bytes) -> DevicePublicKey:
    """Load a P-256 public key; raises Invalid where it is anything else."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Invalid("malformed", "The device's public key cannot be read.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Invalid("malformed", "The device's public key is not a P-256 key.")
    return key


def seal(kind: SealKind, payload: bytes, key: DeviceKey) -> Sealed:
    """Sign the payload and put it into its envelope."""
    return sealed_by(lambda text: sign(key, text), kind, payload)


def sign(key: DeviceKey, text: bytes) -> bytes:
    return key.sign(text, ec.ECDSA(hashes.SHA256()))


def open_sealed(kind: SealKind, sealed: Sealed, key: DevicePublicKey) -> bytes:
    """Return the payload of a genuine envelope, or raise Invalid."""
    try:
        payload = sealed.payload.encode()
        signature = base64.b64decode(sealed.signature, validate=True)
        key.verify(signature, signed_bytes(kind, payload), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise Invalid("malformed", f"The {kind.value} is not signed with this device's key.") from error
    return payload
