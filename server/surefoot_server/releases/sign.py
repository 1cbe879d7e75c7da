"""`surefoot release sign`: list a built release in its component's role, with the offline release key.

The role of a component lists every release that is still supported. The new role is kept in the keys folder, where the
next signing goes on from it, and put beside the manifest as role.json, which is all that
publishing needs; targets.json beside it completes the chain for a factory without a server. A version
that was signed once never gets other bytes. The keys folder is written first: signing again after a failure is always
possible.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Metadata, TargetFile, Targets

from surefoot_server.keys.files import read_key
from surefoot_server.keys.init import RELEASE_ROLE_LIFETIME, delegated_components, read_targets, targets_bytes
from surefoot_server.keys.layout import IMAGE_RELEASE, KeyFolder, latest
from surefoot_server.releases.build import ROLE_FILE, TARGETS_FILE, read_release
from surefoot_shared.errors import ConfigError, Conflict, NotFound
from surefoot_shared.release import role_name, target_path
from surefoot_shared.trust.durable import locked, write_durably
from surefoot_shared.trust.policy import Policy
from surefoot_shared.trust.repository import build_release_role, policy_target, release_target
from surefoot_shared.trust.signing import sign

Change = Callable[[Mapping[str, TargetFile]], Mapping[str, TargetFile]]


@dataclass(frozen=True, slots=True)
class SignedRelease:
    """What was signed: `role_version` is the new version of the component's role, `listed` all its releases."""

    component: str
    version: str
    digest: str
    role_version: int
    role_file: Path
    listed: tuple[str, ...]


def sign_release(folder: Path, keys_dir: Path, passphrase: bytes, now: datetime) -> SignedRelease:
    """Sign the release in `folder`: write role.json, and targets.json, with which a factory checks it without a server.

    Raises ConfigError (keys, passphrase), NotFound (no keys for the component), Conflict (version has other bytes).
    """
    release = read_release(folder)
    target = release_target(release.raw)
    component, role_file = release.manifest.component, folder / ROLE_FILE
    raw = _sign_role(keys_dir, component, passphrase, now, lambda listed: _with(listed, target))
    write_durably(role_file, raw, mode=0o644)
    write_durably(folder / TARGETS_FILE, targets_bytes(KeyFolder(keys_dir)), mode=0o644)
    role = Metadata[Targets].from_bytes(raw).signed
    versions = tuple(sorted(path.split("/")[2] for path in role.targets if path.startswith("releases/")))
    return SignedRelease(component, release.manifest.version, release.digest, role.version, role_file, versions)


def withdraw_release(keys_dir: Path, component: str, version: str, passphrase: bytes, now: datetime) -> bytes:
    """Sign a role that no longer lists a release; return it for publishing. Raises NotFound, ConfigError."""
    path = target_path(component, version)
    return _sign_role(keys_dir, component, passphrase, now, lambda listed: _without(listed, path))


def sign_policy(keys_dir: Path, policy: Policy, passphrase: bytes, now: datetime) -> bytes:
    """Sign a role that carries this policy of its component; return it for publishing. Raises NotFound, ConfigError."""
    target = policy_target(policy)
    return _sign_role(keys_dir, policy.component, passphrase, now, lambda listed: {**listed, target.path: target})


def _sign_role(keys_dir: Path, component: str, passphrase: bytes, now: datetime, change: Change) -> bytes:
    keys, name = KeyFolder(keys_dir), role_name(component)
    targets = read_targets(keys)
    if component not in delegated_components(targets):
        hint = f"Run `surefoot keys init {keys_dir} --component {component}` first."
        raise NotFound("not_found", f"{keys_dir} has no keys for component {component!r}.", hint)
    signer = read_key(keys.offline, IMAGE_RELEASE, passphrase)
    with locked(keys.image):
        path = latest(keys.image, name)
        if path is None:
            raise ConfigError("key_missing", f"{keys.image} holds no role of {component}.")
        current = Metadata[Targets].from_bytes(path.read_bytes()).signed
        listed = change(current.targets)
        version = current.version + 1
        raw = sign(build_release_role(version, now + RELEASE_ROLE_LIFETIME, listed.values()), [signer])
        write_durably(keys.image / f"{version}.{name}.json", raw, mode=0o644)
    return raw


def _with(listed: Mapping[str, TargetFile], target: TargetFile) -> dict[str, TargetFile]:
    known = listed.get(target.path)
    if known is not None and known.hashes != target.hashes:
        hint = "Give the changed release a new version and counter."
        raise Conflict("conflict", f"{target.path} was signed with other bytes.", hint)
    return {**listed, target.path: target}


def _without(listed: Mapping[str, TargetFile], path: str) -> dict[str, TargetFile]:
    if path not in listed:
        raise NotFound("not_found", f"{path} is not signed.")
    return {known: target for known, target in listed.items() if known != path}
