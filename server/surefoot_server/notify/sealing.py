"""Addresses and signing secrets at rest: encrypted with a key that lies beside the database and not in it."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from surefoot_server.releases.leases import load_or_make_key
from surefoot_shared.errors import ConfigError

NONCE_BYTES = 12


class Sealing:
    """`owner` is bound in: what was sealed for one webhook opens for no other."""

    def __init__(self, key_file: Path) -> None:
        self._file = key_file
        self._cipher = AESGCM(load_or_make_key(key_file))

    def seal(self, owner: str, text: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), owner.encode())

    def open(self, owner: str, sealed: bytes) -> str:
        """Raises ConfigError where the key is another one: a database without its folder of secrets."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], owner.encode()).decode()
        except InvalidTag as error:
            message = f"{self._file} is not the key that the webhooks were stored with."
            hint = "Restore it from the backup, or make the webhooks anew."
            raise ConfigError("config_invalid", message, hint) from error
