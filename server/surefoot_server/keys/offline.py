"""What the offline keys have signed, as it lies in a keys folder, and for how long they sign.

Reads public metadata only; verifies nothing: whoever acts on it does.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import DelegatedRole, Metadata, Targets
from tuf.api.serialization import DeserializationError

from surefoot_server.keys.layout import KeyFolder, latest
from surefoot_shared.errors import ConfigError
from surefoot_shared.trust.signing import RoleKeys

OFFLINE_LIFETIME = timedelta(days=365)
RELEASE_ROLE_LIFETIME = timedelta(days=180)
"""What bounds a freeze by a stolen server: it cannot keep a release role alive for longer."""


def read_targets(keys: KeyFolder) -> Targets:
    """Return the newest signed top level of the image repository; raises ConfigError(key_missing, config_invalid)."""
    return read_role_file(_targets_file(keys))


def read_role_file(path: Path) -> Targets:
    """What a targets role of one's own folder says; raises ConfigError(config_invalid)."""
    try:
        return Metadata[Targets].from_bytes(path.read_bytes()).signed
    except (OSError, DeserializationError, RepositoryError) as error:
        hint = "Copy it again from another keys folder of the fleet, or from the server's repo/."
        raise ConfigError("config_invalid", f"{path} cannot be read: {error}", hint) from error


def targets_bytes(keys: KeyFolder) -> bytes:
    """Return that top level as it was signed; raises ConfigError(key_missing)."""
    return _targets_file(keys).read_bytes()


def _targets_file(keys: KeyFolder) -> Path:
    path = latest(keys.image, "targets")
    if path is None:
        raise ConfigError("key_missing", f"{keys.root} holds no signed image repository.")
    return path


def delegated_components(targets: Targets) -> dict[str, RoleKeys]:
    """Return the components that the top level delegates, with who may sign their releases."""
    found: dict[str, RoleKeys] = {}
    delegations = targets.delegations
    if delegations is None or delegations.roles is None:
        return found
    for name, role in delegations.roles.items():
        assert isinstance(role, DelegatedRole)
        members = tuple(delegations.keys[keyid] for keyid in role.keyids)
        found[name.removeprefix("rel-")] = RoleKeys(members, role.threshold)
    return found
