"""`surefoot keys show`: which keys a fleet has, where, who must sign what, and when signatures run out.

Reads public metadata only; needs no passphrase and shows no secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Metadata, Root, Targets

from surefoot_server.keys.image import newest_root
from surefoot_server.keys.init import delegated_components, read_targets
from surefoot_server.keys.layout import OFFLINE, ONLINE, KeyFolder, key_file, latest
from surefoot_shared.release import role_name
from surefoot_shared.trust.fields import DIRECTOR, IMAGE, X_FLEET, X_HALT


@dataclass(frozen=True, slots=True)
class RoleShown:
    """One role: `threshold` of `keyids` sign it; version and expiry are None where the server signs it as it goes."""

    repository: str
    role: str
    threshold: int
    keyids: tuple[str, ...]
    version: int | None
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class KeysShown:
    fleet: str
    components: tuple[str, ...]
    roles: tuple[RoleShown, ...]
    offline: tuple[str, ...]
    """Names of the offline keys that lie in this folder; none once they are in a safe."""
    online: tuple[str, ...]
    one_of_one: bool


def show_keys(folder: Path) -> KeysShown:
    """Read a keys folder; raises ConfigError(key_missing)."""
    keys = KeyFolder(folder)
    image, director = newest_root(keys.image), newest_root(keys.director)
    targets = read_targets(keys)
    roles = (
        *_root_roles(IMAGE, image, targets),
        *_release_roles(keys, targets),
        *_root_roles(DIRECTOR, director, None),
    )
    return KeysShown(
        fleet=str(image.unrecognized_fields.get(X_FLEET, "")),
        components=tuple(sorted(delegated_components(targets))),
        roles=roles,
        offline=tuple(name for name in OFFLINE if key_file(keys.offline, name).exists()),
        online=tuple(name for name in ONLINE if key_file(keys.online, name).exists()),
        one_of_one=all(role.threshold == 1 for role in roles),
    )


def _root_roles(repository: str, root: Root, targets: Targets | None) -> Iterator[RoleShown]:
    signed: dict[str, Root | Targets | None] = {"root": root, "targets": targets}
    for name, role in sorted(root.roles.items()):
        file = signed.get(name)
        keyids = tuple(role.keyids)
        yield RoleShown(
            repository, name, role.threshold, keyids, file.version if file else None, file.expires if file else None
        )
    if halt := root.unrecognized_fields.get(X_HALT):
        yield RoleShown(repository, "halt", halt["threshold"], tuple(halt["keyids"]), None, None)


def _release_roles(keys: KeyFolder, targets: Targets) -> Iterator[RoleShown]:
    for component, allowed in sorted(delegated_components(targets).items()):
        path = latest(keys.image, role_name(component))
        role = Metadata[Targets].from_bytes(path.read_bytes()).signed if path else None
        keyids = tuple(key.keyid for key in allowed.keys)
        yield RoleShown(
            IMAGE,
            role_name(component),
            allowed.threshold,
            keyids,
            role.version if role else None,
            role.expires if role else None,
        )
