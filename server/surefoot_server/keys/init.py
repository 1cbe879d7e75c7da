"""`surefoot keys init`: make the keys, roots and certificate authority of a fleet, or add a component to them.

A new folder appears whole or not at all. Existing keys are never overwritten. Every role is 1-of-1 here, and the banner
says so loudly: thresholds are data in the roots, so a larger threshold later is a root rotation and no new code.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import DelegatedRole, Metadata, Targets

from surefoot_server.keys.files import read_key, write_key
from surefoot_server.keys.layout import (
    DIRECTOR_KEY,
    DIRECTOR_ROOT,
    HALT_KEY,
    IMAGE_RELEASE,
    IMAGE_ROOT,
    IMAGE_SNAPSHOT,
    IMAGE_TARGETS,
    IMAGE_TIMESTAMP,
    OFFLINE,
    ONLINE,
    KeyFolder,
    latest,
)
from surefoot_server.pki.ca import create_ca
from surefoot_shared.errors import ConfigError, Conflict, Invalid
from surefoot_shared.release import NAME, role_name
from surefoot_shared.topics import check_device_id
from surefoot_shared.trust.durable import write_durably
from surefoot_shared.trust.fields import DIRECTOR, IMAGE
from surefoot_shared.trust.repository import build_release_role, build_root, build_targets
from surefoot_shared.trust.signing import RoleKeys, new_signer, sign

OFFLINE_LIFETIME = timedelta(days=365)
RELEASE_ROLE_LIFETIME = timedelta(days=180)
"""What bounds a freeze by a stolen server: it cannot keep a release role alive for longer."""

BANNER = """\
*************************************************************************
**  ONE KEY, ONE PERSON: every role of this fleet is signed by 1 of 1.  **
**  Whoever has offline/ and its passphrase can run anything on every   **
**  device. Move offline/ to two sticks in two safes now; the server    **
**  never needs it. For a fleet you could not visit, use more keys and  **
**  higher thresholds.                                                  **
*************************************************************************"""


@dataclass(frozen=True, slots=True)
class KeysMade:
    """What a run of `keys init` did: files written, relative to the folder, and what the operator must be told."""

    folder: Path
    files: tuple[str, ...]
    components: tuple[str, ...]
    banner: str = BANNER


def init_keys(
    folder: Path, passphrase: bytes, now: datetime, fleet: str = "fleet", components: Sequence[str] = ("app",)
) -> KeysMade:
    """Make a fleet's keys, or add components to those in `folder`. Raises Invalid, ConfigError or Conflict."""
    _check_names(fleet, components)
    if (folder / "repository").is_dir():
        return _add_components(KeyFolder(folder), passphrase, now, components)
    with _appearing(folder) as fresh:
        keys = KeyFolder(fresh)
        signers = {name: new_signer() for name in (*OFFLINE, *ONLINE)}
        for name in OFFLINE:
            write_key(keys.offline, name, signers[name], passphrase)
        for name in ONLINE:
            write_key(keys.online, name, signers[name], None)
        authority = create_ca(keys.online, fleet, now)
        roots = _roots(signers, fleet, now)
        for repository, raw in roots.items():
            write_durably(fresh / "repository" / repository / "1.root.json", raw, mode=0o644)
            write_durably(keys.bootstrap / f"{repository}.root.json", raw, mode=0o644)
        write_durably(keys.bootstrap / "ca.pem", authority.pem, mode=0o644)
        _write_targets(keys, 1, signers, now, components)
        files = tuple(sorted(str(p.relative_to(fresh)) for p in fresh.rglob("*") if p.is_file()))
    return KeysMade(folder, files, tuple(components))


def read_targets(keys: KeyFolder) -> Targets:
    """Return the newest signed top level of the image repository; raises ConfigError(key_missing)."""
    return Metadata[Targets].from_bytes(targets_bytes(keys)).signed


def targets_bytes(keys: KeyFolder) -> bytes:
    """Return that top level as it was signed; raises ConfigError(key_missing)."""
    path = latest(keys.image, "targets")
    if path is None:
        raise ConfigError("key_missing", f"{keys.root} holds no signed image repository.")
    return path.read_bytes()


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


def _add_components(keys: KeyFolder, passphrase: bytes, now: datetime, components: Sequence[str]) -> KeysMade:
    targets = read_targets(keys)
    known = delegated_components(targets)
    added = tuple(component for component in components if component not in known)
    if not added:
        hint = "Nothing was changed. Give another folder, or --component with a new name."
        raise Conflict("conflict", f"{keys.root} holds keys for {', '.join(components)} already.", hint)
    signers = {name: read_key(keys.offline, name, passphrase) for name in (IMAGE_TARGETS, IMAGE_RELEASE)}
    files = _write_targets(keys, targets.version + 1, signers, now, added, known)
    return KeysMade(keys.root, files, added)


def _write_targets(
    keys: KeyFolder,
    version: int,
    signers: dict[str, CryptoSigner],
    now: datetime,
    components: Sequence[str],
    known: dict[str, RoleKeys] | None = None,
) -> tuple[str, ...]:
    release = RoleKeys((signers[IMAGE_RELEASE].public_key,))
    delegated = {**(known or {}), **dict.fromkeys(components, release)}
    top = sign(build_targets(version, now + OFFLINE_LIFETIME, delegated), [signers[IMAGE_TARGETS]])
    # The empty roles first: a top level that delegates to a role nobody signed could not be served.
    written = {f"1.{role_name(component)}.json": _empty_role(signers, now) for component in components}
    written[f"{version}.targets.json"] = top
    for name, raw in written.items():
        write_durably(keys.image / name, raw, mode=0o644)
    return tuple(f"repository/image/{name}" for name in written)


def _empty_role(signers: dict[str, CryptoSigner], now: datetime) -> bytes:
    return sign(build_release_role(1, now + RELEASE_ROLE_LIFETIME, ()), [signers[IMAGE_RELEASE]])


def _roots(signers: dict[str, CryptoSigner], fleet: str, now: datetime) -> dict[str, bytes]:
    """Different root keys for the two repositories: with shared ones, one root could pass for the other's successor."""

    def only(name: str) -> RoleKeys:
        return RoleKeys((signers[name].public_key,))

    expires = now + OFFLINE_LIFETIME
    image_roles = {
        "root": only(IMAGE_ROOT),
        "targets": only(IMAGE_TARGETS),
        "snapshot": only(IMAGE_SNAPSHOT),
        "timestamp": only(IMAGE_TIMESTAMP),
    }
    director_roles = dict.fromkeys(("targets", "snapshot", "timestamp"), only(DIRECTOR_KEY))
    director_roles["root"] = only(DIRECTOR_ROOT)
    image = build_root(IMAGE, fleet, 1, now, expires, image_roles)
    director = build_root(DIRECTOR, fleet, 1, now, expires, director_roles, halt=only(HALT_KEY))
    return {IMAGE: sign(image, [signers[IMAGE_ROOT]]), DIRECTOR: sign(director, [signers[DIRECTOR_ROOT]])}


def _check_names(fleet: str, components: Sequence[str]) -> None:
    check_device_id(fleet)
    for component in components:
        if not NAME.fullmatch(component):
            hint = "Use 1 to 32 small letters, digits, dashes or underscores, beginning with a letter or digit."
            raise Invalid("malformed", f"{component!r} is not a component's name.", hint)
    if not components:
        raise Invalid("malformed", "A fleet needs at least one component.")


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """Give a folder that gets its name only when everything in it is written."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict("conflict", f"{folder} exists and holds something else than keys.", "Give a new folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield fresh
        if folder.exists():
            folder.rmdir()
        os.replace(fresh, folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
