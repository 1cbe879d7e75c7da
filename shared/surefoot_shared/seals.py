"""What a device signs, and what a signature is for; who holds the key is the caller's. No library of cryptography.

Promises: the signed bytes are "surefoot-<kind>-v1", a zero byte and the payload text, so a signature made for one kind
of message never passes as another; the text travels as it was signed, so no canonical form is needed.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from enum import Enum

from surefoot_shared.messages import Sealed


class SealKind(str, Enum):
    HELLO = "hello"
    EVENT = "event"
    TOKEN = "token"
    RENEW = "renew"


def signed_bytes(kind: SealKind, payload: bytes) -> bytes:
    return b"surefoot-" + kind.value.encode() + b"-v1\x00" + payload


def sealed_by(sign: Callable[[bytes], bytes], kind: SealKind, payload: bytes) -> Sealed:
    """Put the payload into its envelope, signed by `sign` (ECDSA with SHA-256, as DER)."""
    signature = sign(signed_bytes(kind, payload))
    return Sealed(payload=payload.decode(), signature=base64.b64encode(signature).decode())
