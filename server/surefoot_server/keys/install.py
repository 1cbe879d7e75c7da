"""Give a server's data folder what it needs of a keys folder: online keys, metadata, bootstrap roots; never offline/.

Installing again is harmless: newer roots and targets are added, what the server has signed or accepted since stays, and
the initial empty role of a component is taken only where the server has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from surefoot_server.keys.layout import ONLINE, KeyFolder, key_file, versions_of
from surefoot_shared.errors import ConfigError
from surefoot_shared.trust.durable import write_durably

CA_FILES = ("ca.key", "ca.pem")


@dataclass(frozen=True, slots=True)
class InstalledKeys:
    """Folders below the data folder, as `OnlineRepository`, `pki.ca.load_ca` and enrolment take them."""

    repo_dir: Path
    online_dir: Path
    bootstrap_dir: Path


def install_keys(keys_folder: Path, data_dir: Path) -> InstalledKeys:
    """Copy what the server needs; raises ConfigError(key_missing, key_permissions)."""
    keys = KeyFolder(keys_folder)
    installed = InstalledKeys(data_dir / "repo", data_dir / "keys", data_dir / "keys" / "bootstrap")
    for path in (*(key_file(keys.online, name) for name in ONLINE), *(keys.online / name for name in CA_FILES)):
        _copy(path, installed.online_dir / path.name, secret=path.name != "ca.pem")
    for path in sorted(keys.bootstrap.glob("*")):
        _copy(path, installed.bootstrap_dir / path.name)
    for repository in (keys.image, keys.director):
        _install_metadata(repository, installed.repo_dir / repository.name)
    return installed


def _install_metadata(source: Path, target: Path) -> None:
    for path in sorted(source.glob("*.json")) if source.is_dir() else []:
        role = path.stem.partition(".")[2]
        newer = role in ("root", "targets") and not (target / path.name).exists()
        initial = path.name.startswith("1.rel-") and not versions_of(target, role)
        if newer or initial:
            _copy(path, target / path.name)


def _copy(source: Path, target: Path, *, secret: bool = False) -> None:
    try:
        if secret and source.stat().st_mode & 0o077:
            raise ConfigError("key_permissions", f"{source} can be read by others.")
        content = source.read_bytes()
    except OSError as error:
        raise ConfigError("key_missing", f"{source} cannot be read: {error.strerror}.") from error
    if not target.exists() or target.read_bytes() != content:
        write_durably(target, content, mode=0o600 if secret else 0o644)
