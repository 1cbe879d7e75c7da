"""Sign with the device's key, by the OpenSSL that Python's own `ssl` has loaded already.

Promises: signatures are what `surefoot_shared.identity` would make, ECDSA with SHA-256 as DER. An idle camera signs
once a connection, and the library that also makes keys, requests and certificates takes 11 MiB (ADR 39). Where
Python's OpenSSL cannot be reached, or the file is not one that `identity` writes, that library signs instead, and says
in its own words what is wrong with a key.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

Sign = Callable[[bytes], bytes]

P256 = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
"""AlgorithmIdentifier of PKCS#8: an elliptic curve key on P-256. Source: RFC 5480, 2.1.1."""
HEAD = slice(6 + len(P256))
"""Before it stand a sequence's header (two or three bytes) and the version (three). Source: RFC 5208, 5."""
BEGIN, END = b"-----BEGIN PRIVATE KEY-----", b"-----END PRIVATE KEY-----"


def signer_of(pem: bytes) -> Sign:
    """Return what signs with this key; raises ConfigError where it is no unencrypted P-256 key."""
    der = _der(pem)
    return (_beside_tls(der) if der is not None else None) or _elsewhere(pem)


def _beside_tls(der: bytes) -> Sign | None:
    try:
        from surefoot_agent import openssl
    except ImportError:  # small systems have ctypes as a package of its own
        return None
    return openssl.signer(der)


def _der(pem: bytes) -> bytes | None:
    """The key's bytes where the file is one that `identity.key_to_pem` wrote."""
    text = pem.strip()
    if not (text.startswith(BEGIN) and text.endswith(END)):
        return None
    try:
        der = base64.b64decode(b"".join(text[len(BEGIN) : -len(END)].split()), validate=True)
    except binascii.Error:
        return None
    return der if P256 in der[HEAD] else None


def _elsewhere(pem: bytes) -> Sign:
    from surefoot_shared import identity  # 11 MiB, for the few who need it

    key = identity.key_from_pem(pem)
    return lambda text: identity.sign(key, text)
