"""`surefoot keys show`: which keys a fleet has, where, who must sign what, and when signatures run out.

Reads public metadata only; needs no passphrase and shows no secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Root, Targets

from surefoot_server.keys.ceremony import Delegator, Standing, standing
from surefoot_server.keys.cosign import load
from surefoot_server.keys.image import newest_root
from surefoot_server.keys.layout import OFFLINE, ONLINE, KeyFolder, key_file, latest, number_of
from surefoot_server.keys.offline import delegated_components, read_role_file, read_targets
from surefoot_server.keys.rotation import read_current, role_keys, standings
from surefoot_server.keys.signers import name_of, read_signers
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
    names: tuple[str, ...] = ()
    missing: int = 0
    """Signatures that the newest file lacks."""

    def days_left(self, now: datetime) -> int | None:
        """Whole days until it expires; negative afterwards."""
        return None if self.expires is None else (self.expires - now).days


@dataclass(frozen=True, slots=True)
class KeysShown:
    fleet: str
    components: tuple[str, ...]
    roles: tuple[RoleShown, ...]
    offline: tuple[str, ...]
    """Names of the offline keys that lie in this folder; none once they are in a safe."""
    online: tuple[str, ...]
    one_of_one: bool
    signers: tuple[str, ...] = ()
    """Signers that are no files: what keys.toml says."""
    pending: tuple[tuple[str, Standing], ...] = ()
    """A rotation that lacks signatures: its files and how far they have come."""
    why: str = ""


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
    pending = _pending(keys)
    return KeysShown(
        fleet=str(image.unrecognized_fields.get(X_FLEET, "")),
        components=tuple(sorted(delegated_components(targets))),
        roles=roles,
        offline=_offline_here(keys),
        online=tuple(name for name in ONLINE if key_file(keys.online, name).exists()),
        one_of_one=all(role.threshold == 1 for role in roles),
        signers=tuple(f"{role}: {uri}" for role, uris in sorted(read_signers(folder).items()) for uri in uris),
        pending=tuple(sorted(pending.items())),
        why=load(keys.rotation).why if pending else "",
    )


def _offline_here(keys: KeyFolder) -> tuple[str, ...]:
    """Files of offline/ whose keys are in force; a retired key's file is no longer of interest."""
    current = read_current(keys)
    here = sorted(path.stem for path in keys.offline.glob("*.pem"))
    found = []
    for role in OFFLINE:
        listed = {name_of(key) for key in role_keys(current, role).keys}
        found += [name for name in here if name in listed or (name == role and not _has_names(listed, role))]
    return tuple(found)


def _has_names(listed: set[str], role: str) -> bool:
    return any(number_of(name, role) for name in listed)


def _pending(keys: KeyFolder) -> dict[str, Standing]:
    if not keys.rotation.exists():
        return {}
    files = {name: text.encode() for name, text in load(keys.rotation).files.items()}
    return standings(read_current(keys), files)


def _root_roles(repository: str, root: Root, targets: Targets | None) -> Iterator[RoleShown]:
    signed: dict[str, Root | Targets | None] = {"root": root, "targets": targets}
    for name, role in sorted(root.roles.items()):
        file = signed.get(name)
        yield RoleShown(
            repository,
            name,
            role.threshold,
            tuple(role.keyids),
            file.version if file else None,
            file.expires if file else None,
            tuple(name_of(root.keys[keyid]) for keyid in role.keyids),
        )
    if halt := root.unrecognized_fields.get(X_HALT):
        names = tuple(str(halt["keys"][keyid].get("x-name", keyid[:12])) for keyid in halt["keyids"])
        yield RoleShown(repository, "halt", halt["threshold"], tuple(halt["keyids"]), None, None, names)


def _release_roles(keys: KeyFolder, targets: Targets) -> Iterator[RoleShown]:
    for component, allowed in sorted(delegated_components(targets).items()):
        path = latest(keys.image, role_name(component))
        raw = path.read_bytes() if path else b""
        role = read_role_file(path) if path else None
        yield RoleShown(
            IMAGE,
            role_name(component),
            allowed.threshold,
            tuple(key.keyid for key in allowed.keys),
            role.version if role else None,
            role.expires if role else None,
            tuple(name_of(key) for key in allowed.keys),
            standing(raw, (Delegator(targets, role_name(component)),)).missing if path else 0,
        )
