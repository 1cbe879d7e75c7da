"""Private keys on disk, for their owner only, and where their passphrases come from.

Refuses to guess: a missing file, a readable-by-others file and a wrong passphrase are three different errors, each of
which names the file. A passphrase is never a command line argument (it would stand in the process list) and never
logged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from securesystemslib.signer import CryptoSigner, SSlibKey

from surefoot_server.keys.layout import key_file
from surefoot_shared.errors import ConfigError, Invalid
from surefoot_shared.trust.durable import write_durably
from surefoot_shared.trust.signing import new_signer, signer_from_pem, signer_to_pem

PASSPHRASE_FILE = "SUREFOOT_PASSPHRASE_FILE"
PIN_FILE = "SUREFOOT_PIN_FILE"
PERSONAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")
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
        text = _secret_in(Path(file), "passphrase")
    elif ask is not None:
        text = ask()
    else:
        hint = f"Put it in a file of mode 600 and name that file in {PASSPHRASE_FILE}."
        raise ConfigError("key_missing", "The offline keys need a passphrase and nobody can be asked for it.", hint)
    if len(text) < SHORTEST_PASSPHRASE:
        hint = f"Use at least {SHORTEST_PASSPHRASE} characters."
        raise ConfigError("config_invalid", "The passphrase is too short.", hint)
    return text.encode()


def read_pin(environ: Mapping[str, str]) -> str:
    """Take a token's PIN from the file that SUREFOOT_PIN_FILE names. Raises ConfigError."""
    if file := environ.get(PIN_FILE):
        return _secret_in(Path(file), "PIN")
    hint = f"Put it in a file of mode 600 and name that file in {PIN_FILE}."
    raise ConfigError("config_invalid", "A key on a token needs its PIN and nobody can be asked for it.", hint)


def new_personal_key(folder: Path, name: str, passphrase: bytes) -> tuple[Path, Path]:
    """Make one encrypted key and its public half, NAME.pub, to hand to whoever rotates. Raises ConfigError, Invalid."""
    if not PERSONAL.fullmatch(name):
        raise Invalid("malformed", f"{name!r} cannot be a key's name.", "Use letters, digits, dots and dashes.")
    if key_file(folder, name).exists():
        raise ConfigError("config_invalid", f"{key_file(folder, name)} exists already.", "Give another name.")
    signer = new_signer()
    private = write_key(folder, name, signer, passphrase)
    key = serialization.load_pem_private_key(signer.private_bytes, None).public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_durably(private.with_suffix(".pub"), pem, mode=0o644)
    return private, private.with_suffix(".pub")


def read_public(path: Path) -> SSlibKey:
    """Load a public key (PEM) that its holder handed over; raises ConfigError."""
    try:
        return SSlibKey.from_crypto(serialization.load_pem_public_key(path.read_bytes()))
    except OSError as error:
        raise ConfigError("key_missing", f"The public key {path} cannot be read: {error.strerror}.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError("config_invalid", f"{path} is not a public key that can be used.") from error


def _secret_in(path: Path, what: str) -> str:
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError("key_permissions", f"{path} can be read by others.")
        return path.read_text().rstrip("\r\n")
    except OSError as error:
        raise ConfigError("key_missing", f"The {what} file {path} cannot be read: {error.strerror}.") from error
