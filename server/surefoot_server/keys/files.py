"""Private keys on disk, for their owner only, and where their passphrases come from.

Refuses to guess: a missing file, a readable-by-others file and a wrong passphrase are three different errors, each of
which names the file. A passphrase is never a command line argument (it would stand in the process list) and never
logged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from securesystemslib.signer import CryptoSigner

from surefoot_server.keys.layout import key_file
from surefoot_shared.errors import ConfigError
from surefoot_shared.trust.durable import write_durably
from surefoot_shared.trust.signing import signer_from_pem, signer_to_pem

PASSPHRASE_FILE = "SUREFOOT_PASSPHRASE_FILE"
SHORTEST_PASSPHRASE = 8
"""Shorter ones are found by trying, whatever the key derivation costs."""


def write_key(folder: Path, name: str, signer: CryptoSigner, passphrase: bytes | None) -> Path:
    """Store a private key, mode 0600, encrypted where a passphrase is given."""
    path = key_file(folder, name)
    write_durably(path, signer_to_pem(signer, passphrase), mode=0o600)
    return path


def read_key(folder: Path, name: str, passphrase: bytes | None = None) -> CryptoSigner:
    """Load a private key; raises ConfigError (key_missing, key_permissions, config_invalid)."""
    path = key_file(folder, name)
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError("key_permissions", f"{path} can be read by others.")
        return signer_from_pem(path.read_bytes(), passphrase, str(path))
    except OSError as error:
        raise ConfigError("key_missing", f"The key {path} cannot be read: {error.strerror}.") from error


def read_passphrase(environ: Mapping[str, str], ask: Callable[[], str] | None) -> bytes:
    """Take the passphrase from the file that SUREFOOT_PASSPHRASE_FILE names, else ask a person.

    `ask` is None where nobody can answer. Raises ConfigError.
    """
    if file := environ.get(PASSPHRASE_FILE):
        text = _passphrase_in(Path(file))
    elif ask is not None:
        text = ask()
    else:
        hint = f"Put it in a file of mode 600 and name that file in {PASSPHRASE_FILE}."
        raise ConfigError("key_missing", "The offline keys need a passphrase and nobody can be asked for it.", hint)
    if len(text) < SHORTEST_PASSPHRASE:
        hint = f"Use at least {SHORTEST_PASSPHRASE} characters."
        raise ConfigError("config_invalid", "The passphrase is too short.", hint)
    return text.encode()


def _passphrase_in(path: Path) -> str:
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError("key_permissions", f"{path} can be read by others.")
        return path.read_text().rstrip("\r\n")
    except OSError as error:
        raise ConfigError("key_missing", f"The passphrase file {path} cannot be read: {error.strerror}.") from error
