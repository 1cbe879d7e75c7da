"""Lease tokens: leave for one device to download blobs until a moment, proved by an HMAC and nothing stored.

Promises: a token names its device and its end, cannot be altered or made without the server's key, and needs no
database to check, so every HTTP replica can. Artifacts are authentic and not secret: the token limits abuse, it
protects nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from datetime import datetime
from pathlib import Path

from surefoot_shared.errors import ConfigError, NotAllowed

KEY_BYTES = 32
DEFAULT_VALID_S = 3600.0
"""An hour: longer than most downloads, short enough that a leaked token is stale soon; devices ask again."""


class LeaseTokens:
    """Mint and check tokens with one key."""

    def __init__(self, key: bytes, valid_s: float = DEFAULT_VALID_S, purpose: str = "lease") -> None:
        """`purpose` keeps a token that was made for one thing from serving for another."""
        if len(key) < KEY_BYTES:
            raise ConfigError("config_invalid", "The lease key is too short.", "Remove the file; it is made anew.")
        self._key, self._domain = key, b"surefoot-" + purpose.encode() + b"-v1\x00"
        self.valid_s = valid_s

    def mint(self, device_id: str, now: datetime) -> str:
        payload = f"{device_id}|{int(now.timestamp() + self.valid_s)}"
        return f"{_encode(payload.encode())}.{_encode(self._mac(payload))}"

    def check(self, token: str, now: datetime) -> str:
        """Return the device id of a valid token; raises NotAllowed."""
        payload_part, _, _ = token.partition(".")
        try:
            payload = _decode(payload_part).decode()
        except (binascii.Error, ValueError) as error:
            raise _refused("The lease token is malformed.") from error
        genuine = f"{_encode(payload.encode())}.{_encode(self._mac(payload))}"  # one text for one token, bit by bit
        if not hmac.compare_digest(genuine.encode(), token.encode()):
            raise _refused("The lease token was not made by this server.")
        device_id, _, until = payload.rpartition("|")
        if now.timestamp() >= int(until):
            raise _refused("The lease has ended.")
        return device_id

    def _mac(self, payload: str) -> bytes:
        return hmac.new(self._key, self._domain + payload.encode(), hashlib.sha256).digest()


def load_or_make_key(path: Path) -> bytes:
    """Return the key, made with mode 0600 at the first start."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        key = secrets.token_bytes(KEY_BYTES)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key)
        return key


def _refused(message: str) -> NotAllowed:
    return NotAllowed("lease_expired", message)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
