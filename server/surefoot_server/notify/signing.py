"""The signature of a webhook, as Standard Webhooks says it (spec 1.0.0: HMAC-SHA256 over id, timestamp and body).

Promises: `check` compares in constant time, with every secret and every signature, and believes a time only once the
signature is right. Whether a message came before is its caller's to know.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from surefoot_shared.errors import Invalid, NotAllowed

PREFIX = "whsec_"
SECRET_BYTES = 32
"""The specification asks for 24 to 64."""
SECRET_LEAST, SECRET_MOST = 24, 64
TOLERANCE_S = 300
"""How far a sender's clock, and the way, may be off; what the specification's libraries allow."""
SIGNATURES_MOST = 16
"""In one header: a sender that changes its secret sends two."""
ID_MOST = 255


@dataclass(frozen=True, slots=True)
class Signed:
    """A message as it came: the three headers, "" where one is missing, and every byte of the body."""

    message_id: str
    timestamp: str
    signatures: str
    body: bytes


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(secret: str, message_id: str, at_s: int, body: bytes) -> Mapping[str, str]:
    """The three headers; `at_s` is the time of this try, so that a receiver may refuse what is old."""
    signature = _signature(secret, message_id, str(at_s), body).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(at_s), "webhook-signature": f"v1,{signature}"}


def check_secret(secret: str) -> str:
    """A secret that another system made, as it is kept; raises Invalid, and never says what it was."""
    try:
        size = len(base64.b64decode(secret.strip().removeprefix(PREFIX), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if not SECRET_LEAST <= size <= SECRET_MOST:
        wanted = f"{PREFIX} and base64 of {SECRET_LEAST} to {SECRET_MOST} bytes"
        raise Invalid("malformed", f"This is no secret of Standard Webhooks: it is {wanted}.")
    return PREFIX + secret.strip().removeprefix(PREFIX)


def check(secrets_: Sequence[str], told: Signed, now_s: float) -> None:
    """Raise NotAllowed unless one of the secrets signed exactly this, and not long ago."""
    if not (_is_id(told.message_id) and _is_time(told.timestamp) and told.signatures):
        raise NotAllowed(
            "signature_missing",
            "This address takes signed messages only: webhook-id, webhook-timestamp or webhook-signature is not there.",
        )
    given = [part[3:].encode() for part in told.signatures.split(" ")[:SIGNATURES_MOST] if part.startswith("v1,")]
    right = False
    for secret in secrets_:
        wanted = _signature(secret, told.message_id, told.timestamp, told.body)
        for one in given:
            right |= hmac.compare_digest(one, wanted)
    if not right:
        raise NotAllowed("signature_wrong", "No secret of this address made this signature.")
    off_s = now_s - int(told.timestamp)
    if abs(off_s) > TOLERANCE_S:
        where = "old" if off_s > 0 else "ahead of the server's clock"
        raise NotAllowed(
            "signature_stale",
            f"The message was signed rightly, but is {abs(off_s):.0f} s {where}; {TOLERANCE_S} are let pass.",
        )


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> bytes:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())


def _is_id(text: str) -> bool:
    return 0 < len(text) <= ID_MOST and text.isascii() and text.isprintable()


def _is_time(text: str) -> bool:
    """Digits alone: nothing else can be moved between the parts that are signed together."""
    return text.isascii() and text.isdecimal() and len(text) <= 12
