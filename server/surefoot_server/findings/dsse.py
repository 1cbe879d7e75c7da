"""Envelopes in DSSE: which of the keys that one trusts signed a payload; pure.

Promises: a key counts where it verifies a signature over the payload's own bytes together with their type, and once
however often it signed. The key id in an envelope is anybody's word and decides nothing. What is looked at is bounded:
at most SIGNATURES of an envelope, by at most KEYS keys. Keys are ed25519, or ECDSA on P-256 with SHA-256 as DER or as
r and s side by side. Source: DSSE protocol 1.0.0, with its test vector.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from surefoot_shared.wire import Json

SIGNATURES, KEYS = 4, 16
"""An envelope has one or two signatures. With 4 MiB of payload all of them cost a look half a second."""
RAW_BYTES = 64
"""Of an ed25519 signature, and of r and s on P-256 side by side."""


@dataclass(frozen=True, slots=True)
class Key:
    """`name` is what the operator calls it."""

    name: str
    public: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Envelope:
    """`type` says what the payload is; both are signed together."""

    type: str
    payload: bytes
    signatures: tuple[bytes, ...]


def load_key(name: str, pem: bytes) -> Key:
    """Read a public key (PEM, SubjectPublicKeyInfo); raises ValueError saying what is wrong with it."""
    try:
        public = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("it is no public key in PEM") from error
    if isinstance(public, ed25519.Ed25519PublicKey):
        return Key(name, public)
    if isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1):
        return Key(name, public)
    raise ValueError("it is neither an ed25519 key nor one on P-256")


def read(value: Mapping[str, Json]) -> Envelope:
    """The envelope of a parsed JSON object; raises ValueError saying what is wrong with it."""
    kind, payload, listed = value.get("payloadType"), value.get("payload"), value.get("signatures")
    if not isinstance(kind, str) or not isinstance(payload, str) or not isinstance(listed, list):
        raise ValueError("it has no payloadType, payload and signatures")
    if len(listed) > SIGNATURES:
        raise ValueError(f"it has {len(listed)} signatures; at most {SIGNATURES} are looked at")
    signatures = [each.get("sig") if isinstance(each, dict) else None for each in listed]
    return Envelope(kind, _decoded(payload), tuple(_decoded(each) for each in signatures))


def signed_bytes(envelope: Envelope) -> bytes:
    """What is signed (the protocol calls it PAE): type and payload with their lengths, so that neither can be moved."""
    kind = envelope.type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(envelope.payload), envelope.payload)


def signers(envelope: Envelope, keys: Iterable[Key]) -> tuple[str, ...]:
    """Names of the keys that signed it, in the order of `keys`."""
    message = signed_bytes(envelope)
    hashed = hashlib.sha256(message).digest()
    some = tuple(keys)[:KEYS]
    return tuple(key.name for key in some if any(_signed(key, s, message, hashed) for s in envelope.signatures))


def _signed(key: Key, signature: bytes, message: bytes, hashed: bytes) -> bool:
    if isinstance(key.public, ed25519.Ed25519PublicKey):
        return len(signature) == RAW_BYTES and _verifies_ed25519(key.public, signature, message)
    return _verifies_p256(key.public, signature, hashed) or (
        len(signature) == RAW_BYTES and _verifies_p256(key.public, _der(signature), hashed)
    )


def _verifies_ed25519(public: ed25519.Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        public.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _verifies_p256(public: ec.EllipticCurvePublicKey, signature: bytes, hashed: bytes) -> bool:
    try:
        public.verify(signature, hashed, ec.ECDSA(Prehashed(hashes.SHA256())))
    except InvalidSignature:
        return False
    return True


def _der(raw: bytes) -> bytes:
    half = RAW_BYTES // 2
    return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def _decoded(text: Json) -> bytes:
    """Base64 in either alphabet, as the protocol demands, with or without its padding."""
    if not isinstance(text, str):
        raise ValueError("a signature of it is no text")
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
