"""Find the signers at hand: encrypted files by default, anything that securesystemslib has a URI for by keys.toml.

    [signers]
    image-root = ["hsm:1?label=first", "file2:/media/first/image-root-2.pem"]
    director = ["hv:surefoot-director"]

A role that keys.toml does not name is signed with the files `ROLE.pem`, `ROLE-N.pem` and those that its metadata calls
by name. Schemes: file2 (PEM, encrypted or 0600), hsm (PKCS#11), hv (Vault transit), awskms, gcpkms. Promises: no key is
opened that the role does not list; a passphrase or PIN is asked for once and only where one is needed. A token that is
not plugged in is passed over and remembered in `absent`, since a shared keys.toml may name everybody's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib import parse

from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import AWSSigner, GCPSigner, HSMSigner, Key, Signer, VaultSigner

from surefoot_server.keys.files import read_key, read_pin
from surefoot_server.keys.layout import KeyFolder, key_file, number_of
from surefoot_server.keys.quorum import Signers, signers_in
from surefoot_shared.errors import ConfigError
from surefoot_shared.settings import read_toml
from surefoot_shared.trust.durable import write_durably
from surefoot_shared.trust.fields import X_NAME
from surefoot_shared.trust.signing import RoleKeys

KEYS_FILE = "keys.toml"
FILE_SCHEME = "file2"
Passphrase = bytes | Callable[[], bytes]
Pin = Callable[[str], str]
EXTRA = {"hsm": "hsm", "hv": "vault", "awskms": "awskms", "gcpkms": "gcpkms"}
"""URI scheme → the extra of securesystemslib that brings its library."""


class KeyRing:
    """The offline signers that one person has here: `offline` folders, the signers of keys.toml, or `only` one."""

    def __init__(
        self,
        folder: Path,
        passphrase: Passphrase,
        *,
        offline: Sequence[Path] = (),
        only: str | None = None,
        pin: Pin | None = None,
    ) -> None:
        keys = KeyFolder(folder)
        self.folders = tuple(offline) or (keys.offline,)
        self.absent: list[str] = []
        self._root, self._passphrase, self._only = folder, passphrase, only
        self._pin = pin or (lambda _name: read_pin(os.environ))
        self._listed = read_signers(folder)
        self._opened: dict[str, Signer] = {}

    def passphrase(self) -> bytes:
        if not isinstance(self._passphrase, bytes):
            self._passphrase = self._passphrase()
        return self._passphrase

    def add(self, name: str, signer: Signer) -> None:
        """Put in a signer that was made just now."""
        self._opened[name] = signer

    def signers(self, role: str, allowed: Iterable[Key]) -> list[Signer]:
        """The signers here that are among the keys allowed; raises ConfigError where one cannot be opened."""
        by_id = {key.keyid: key for key in allowed}
        found = [signer for signer in self._candidates(role, by_id.values()) if signer.public_key.keyid in by_id]
        return list({signer.public_key.keyid: signer for signer in found}.values())

    def _candidates(self, role: str, allowed: Iterable[Key]) -> list[Signer]:
        names = {str(key.unrecognized_fields[X_NAME]) for key in allowed if X_NAME in key.unrecognized_fields}
        unnamed = any(X_NAME not in key.unrecognized_fields for key in allowed)
        found = [signer for name, signer in self._opened.items() if self._wants(name)]
        for path in self._files():
            named = path.stem in names or (unnamed and number_of(path.stem, role) is not None)
            if self._wants(path.stem) and named and path.stem not in self._opened:
                self._opened[path.stem] = read_key(path.parent, path.stem, self.passphrase())
                found.append(self._opened[path.stem])
        for uri in self._listed.get(role, ()):
            if self._wants(uri) and (signer := self._open(uri)):
                found.append(signer)
        return found

    def _wants(self, name: str) -> bool:
        return self._only in (None, name)

    def _files(self) -> list[Path]:
        return [path for folder in self.folders if folder.is_dir() for path in sorted(folder.glob("*.pem"))]

    def _open(self, uri: str) -> Signer | None:
        if uri not in self._opened:
            try:
                self._opened[uri] = open_signer(uri, self._root, self.passphrase, self._pin)
            except ConfigError as error:
                if error.kind != "key_missing" or self._only is not None:
                    raise
                self.absent.append(error.message)
        return self._opened.get(uri)


def open_signer(uri: str, folder: Path, passphrase: Callable[[], bytes] | None, pin: Pin) -> Signer:
    """Open a signer by its URI; a relative file2 path is below `folder`. Raises ConfigError, key_missing if absent."""
    if uri.partition(":")[0] == FILE_SCHEME:
        path = folder / uri.partition(":")[2]
        return read_key(path.parent, path.stem, passphrase() if passphrase else None)
    full, key = imported(uri, pin)
    return Signer.from_priv_key_uri(full, key, pin)


def imported(uri: str, pin: Pin) -> tuple[str, Key]:
    """Ask the token or service that a URI names for its whole URI and its public key; raises ConfigError."""
    scheme, _, rest = uri.partition(":")
    readers: dict[str, Callable[[], tuple[str, Key]]] = {
        "hsm": lambda: _from_token(uri, pin),
        "hv": lambda: VaultSigner.import_(rest.rpartition("/")[0] or rest),
        "awskms": lambda: AWSSigner.import_(rest),
        "gcpkms": lambda: GCPSigner.import_(rest),
    }
    if scheme not in readers:
        known = ", ".join((FILE_SCHEME, *readers))
        raise ConfigError("config_invalid", f"{uri!r} names no signer that is known here.", f"Known are {known}.")
    try:
        return readers[scheme]()
    except (UnsupportedLibraryError, ImportError) as error:
        hint = f"Install it: pip install 'securesystemslib[{EXTRA[scheme]}]'."
        raise ConfigError(
            "config_invalid", f"The signer {uri} needs a library that is missing: {error}.", hint
        ) from error
    except ConfigError:
        raise
    except Exception as error:  # the library promises no error of its own: tokens, networks and services differ
        why = str(error) or type(error).__name__
        hint = "Plug the token in, or set what its service needs; PKCS#11 wants PYKCS11LIB, the module's path."
        raise ConfigError("key_missing", f"The signer {uri} does not answer: {why}.", hint) from error


def read_signers(folder: Path) -> Signers:
    """What keys.toml says; nothing where there is none. Raises ConfigError."""
    path = folder / KEYS_FILE
    return signers_in(read_toml(path), path) if path.exists() else {}


def write_signers(folder: Path, signers: Signers) -> None:
    """Write keys.toml; JSON's texts are TOML's too."""
    lines = ["# Who signs besides the files in offline/ and online/: signer URIs by role.", "[signers]"]
    lines += [f"{role} = {json.dumps(list(uris))}" for role, uris in sorted(signers.items())]
    write_durably(folder / KEYS_FILE, ("\n".join(lines) + "\n").encode(), mode=0o644)


def online_signer(folder: Path, name: str) -> Signer:
    """A signer of the server: the one that keys.toml names, else the file. Raises ConfigError."""
    listed = read_signers(folder).get(name)
    if not listed:
        return read_key(folder, name)
    return open_signer(listed[0], folder, None, lambda _name: read_pin(os.environ))


def named(key: Key, name: str) -> Key:
    """The same key, carrying the name that its holders call it by; the key id does not change."""
    data = {**key.to_dict(), X_NAME: name}
    return Key.from_dict(key.keyid, data)


def name_of(key: Key) -> str:
    return str(key.unrecognized_fields.get(X_NAME, key.keyid[:12]))


def renamed(keys: RoleKeys, names: Sequence[str]) -> RoleKeys:
    return RoleKeys(tuple(named(key, name) for key, name in zip(keys.keys, names, strict=True)), keys.threshold)


def new_key_file(folder: Path, name: str) -> Path:
    """Where a new key may be written; raises ConfigError rather than writing over one."""
    path = key_file(folder, name)
    if path.exists():
        raise ConfigError("config_invalid", f"{path} exists already.", "Give another folder; no key is overwritten.")
    return path


def _from_token(uri: str, pin: Pin) -> tuple[str, Key]:
    parts = parse.urlparse(uri)
    label = dict(parse.parse_qsl(parts.query)).get("label")
    return HSMSigner.import_(int(parts.path) if parts.path else None, label, pin)
