"""Give a server's data folder what it needs of a keys folder: online keys, metadata, bootstrap roots; never offline/.

Installing again is harmless: newer roots and targets are added, what the server has signed or accepted since stays, and
the role of a component is taken where the server has none, where newer targets no longer name the keys of the server's,
and where it is newer and lists no release that was not published: a new date, a policy, a withdrawal. A folder of
another fleet, or a copy from before a rotation, is refused before anything is copied: its keys would take the place of
those that devices believe, which then are nowhere. It may be done
while the server runs, which follows within a minute: `installing` keeps the two from meeting half-way.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Targets

from surefoot_server.keys.ceremony import read_signed
from surefoot_server.keys.files import read_key
from surefoot_server.keys.layout import ONLINE, RETIRED_HALT, KeyFolder, key_file, latest, versions_of
from surefoot_server.keys.offline import delegated_components, read_role_file
from surefoot_server.keys.rotation import read_current, role_keys
from surefoot_server.keys.signers import KEYS_FILE, read_signers
from surefoot_server.pki.authorities import LEAVING
from surefoot_server.pki.ca import load_ca
from surefoot_shared.errors import ConfigError, Conflict
from surefoot_shared.release import role_name
from surefoot_shared.trust.durable import locked, write_durably

CA_FILES = ("ca.key", "ca.pem")


@dataclass(frozen=True, slots=True)
class InstalledKeys:
    """Folders below the data folder, as `OnlineRepository`, `pki.ca.load_ca` and enrolment take them."""

    repo_dir: Path
    online_dir: Path
    bootstrap_dir: Path


def install_keys(keys_folder: Path, data_dir: Path) -> InstalledKeys:
    """Copy what the server needs; raises ConfigError(key_missing, key_permissions), Conflict, UntrustedRelease."""
    keys = KeyFolder(keys_folder)
    installed = InstalledKeys(data_dir / "repo", data_dir / "keys", data_dir / "keys" / "bootstrap")
    _refuse_incomplete(keys)
    with installing(installed.repo_dir):
        for repository in (keys.image, keys.director):
            _refuse_foreign(repository, installed.repo_dir / repository.name, keys_folder)
        _install_online(keys, installed.online_dir)
        for path in sorted(keys.bootstrap.glob("*")):
            _copy(path, installed.bootstrap_dir / path.name)
        for repository in (keys.image, keys.director):
            _install_metadata(repository, installed.repo_dir / repository.name)
    return installed


def installing(repo_dir: Path) -> AbstractContextManager[None]:
    """Held while keys and metadata are copied, and while a running server reads them again."""
    return locked(repo_dir)


def _refuse_incomplete(keys: KeyFolder) -> None:
    """Nothing is copied from a folder that lacks something, or holds what is torn: half of it would stop the server."""
    listed = read_signers(keys.root)
    for path in (*(key_file(keys.online, name) for name in ONLINE if name not in listed), keys.online / "ca.key"):
        if not path.exists():
            raise ConfigError("key_missing", f"{path} cannot be read: it does not exist.")
    current = read_current(keys)
    for name in ONLINE:
        if name not in listed and read_key(keys.online, name).public_key.keyid not in (
            key.keyid for key in role_keys(current, name).keys
        ):
            hint = "It is of another rotation: copy online/ from the folder in which the newest root came into force."
            raise ConfigError("config_invalid", f"The root does not list {key_file(keys.online, name)}.", hint)
    load_ca(keys.online)


def _refuse_foreign(source: Path, target: Path, folder: Path) -> None:
    """Whoever follows what the server has knows its newest root; copies of one root may differ in who signed."""
    own = latest(target, "root")
    if own is None:
        return
    theirs = source / own.name
    if not theirs.exists():
        hint = (
            "It is from before a rotation, or another fleet's. Use the folder in which the newest root came into force."
        )
        raise Conflict(
            "conflict", f"{folder} lacks {source.name} root {own.name.partition('.')[0]} of this server.", hint
        )
    if read_signed(own.read_bytes()).signed_bytes != read_signed(theirs.read_bytes()).signed_bytes:
        hint = "Nothing was changed. Give the keys folder of this fleet, or a new data folder."
        raise Conflict("conflict", f"{folder} holds the keys of another fleet than {target.parents[1]}.", hint)


def _install_online(keys: KeyFolder, online_dir: Path) -> None:
    listed = read_signers(keys.root)
    if (keys.root / KEYS_FILE).exists():
        _copy(keys.root / KEYS_FILE, online_dir / KEYS_FILE)
    for name in (*ONLINE, RETIRED_HALT):
        source, target = key_file(keys.online, name), key_file(online_dir, name)
        if name in listed or (name == RETIRED_HALT and not source.exists()):
            target.unlink(missing_ok=True)
        else:
            _copy(source, target, secret=True)
    for name in CA_FILES:
        _copy(keys.online / name, online_dir / name, secret=name != "ca.pem")
        source, target = keys.online / LEAVING / name, online_dir / LEAVING / name
        if source.exists():
            _copy(source, target, secret=name != "ca.pem")
        else:
            target.unlink(missing_ok=True)


def _install_metadata(source: Path, target: Path) -> None:
    for path in sorted(source.glob("*.json")) if source.is_dir() else []:
        role = path.stem.partition(".")[2]
        newer = role in ("root", "targets") and not (target / path.name).exists()
        initial = path.name.startswith("1.rel-") and not versions_of(target, role)
        if newer or initial:
            _copy(path, target / path.name)
    _follow_roles(source, target)


def _follow_roles(source: Path, target: Path) -> None:
    """New release keys make the server's role worthless; a role that releases nothing new needs no publishing."""
    top = latest(target, "targets")
    if top is None:
        return
    targets = read_role_file(top)
    for component in delegated_components(targets):
        name = role_name(component)
        own, theirs = latest(target, name), latest(source, name)
        if own is None or theirs is None or not _is_signed(targets, name, theirs):
            continue
        if not _is_signed(targets, name, own) or _only_less(own, theirs):
            _copy(theirs, target / theirs.name)


def _only_less(own: Path, theirs: Path) -> bool:
    """True where the other role is newer and releases nothing that the server's own does not."""
    before, after = (read_role_file(path) for path in (own, theirs))
    released = {path: target for path, target in after.targets.items() if path.startswith("releases/")}
    return after.version > before.version and all(before.targets.get(path) == each for path, each in released.items())


def _is_signed(targets: Targets, name: str, path: Path) -> bool:
    try:
        metadata = Metadata[Targets].from_bytes(path.read_bytes())
        return bool(targets.get_verification_result(name, metadata.signed_bytes, metadata.signatures))
    except RepositoryError:
        return False


def _copy(source: Path, target: Path, *, secret: bool = False) -> None:
    try:
        if secret and source.stat().st_mode & 0o077:
            raise ConfigError("key_permissions", f"{source} can be read by others.")
        content = source.read_bytes()
    except OSError as error:
        raise ConfigError("key_missing", f"{source} cannot be read: {error.strerror}.") from error
    if not target.exists() or target.read_bytes() != content:
        write_durably(target, content, mode=0o600 if secret else 0o644)
