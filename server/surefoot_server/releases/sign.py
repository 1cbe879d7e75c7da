"""`surefoot release sign`: list a built release in its component's role, with the offline release keys at hand.

The role of a component lists every release that is still supported. The new role is kept in the keys folder, where the
next signing goes on from it, and put beside the manifest as role.json, which is all that publishing needs; targets.json
beside it completes the chain for a factory without a server, and tells a cosigner whose signatures are missing
(`releases.cosign`). A version that was signed once never gets other bytes. The keys folder is written first: signing
again after a failure is always possible.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Metadata, TargetFile, Targets

from surefoot_server.keys.ceremony import Delegator, Standing, cosigned, read_signed, standing
from surefoot_server.keys.layout import IMAGE_RELEASE, KeyFolder, latest
from surefoot_server.keys.offline import (
    RELEASE_ROLE_LIFETIME,
    delegated_components,
    read_role_file,
    read_targets,
    targets_bytes,
)
from surefoot_server.keys.signers import KeyRing, Passphrase
from surefoot_server.releases.build import ROLE_FILE, TARGETS_FILE, ReleaseFolder, read_release
from surefoot_shared.errors import ConfigError, Conflict, Invalid, NotFound, UntrustedRelease
from surefoot_shared.release import role_name
from surefoot_shared.trust.durable import locked, write_durably
from surefoot_shared.trust.repository import build_release_role, release_target
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
    standing: Standing


def sign_release(
    folder: Path,
    keys_dir: Path,
    passphrase: Passphrase,
    now: datetime,
    *,
    offline: tuple[Path, ...] = (),
    key: str | None = None,
) -> SignedRelease:
    """Sign the release in `folder` as far as the keys here allow: write role.json and targets.json.

    Raises ConfigError (keys, passphrase), NotFound (no keys for the component), Conflict (version has other bytes).
    """
    release = read_release(folder)
    target = release_target(release.raw)
    ring = KeyRing(keys_dir, passphrase, offline=offline, only=key)
    raw = _sign_role(keys_dir, release.manifest.component, ring, now, lambda listed: _with(listed, target))
    write_durably(folder / ROLE_FILE, raw, mode=0o644)
    write_durably(folder / TARGETS_FILE, targets_bytes(KeyFolder(keys_dir)), mode=0o644)
    return signed_release(release)


def signed_release(release: ReleaseFolder) -> SignedRelease:
    """Say how far the signatures in a release folder have come. Raises Invalid, UntrustedRelease."""
    raw, targets = read_role(release), read_top(release)
    name = role_name(release.manifest.component)
    found = standing(raw, (Delegator(targets, name),))
    role = Metadata[Targets].from_bytes(raw).signed
    versions = tuple(sorted(path.split("/")[2] for path in role.targets if path.startswith("releases/")))
    manifest = release.manifest
    file = release.folder / ROLE_FILE
    return SignedRelease(manifest.component, manifest.version, release.digest, role.version, file, versions, found)


def refuse_unfinished(release: ReleaseFolder) -> None:
    """Raise UntrustedRelease(signatures_missing) where role.json is below its threshold: no device would take it."""
    found = signed_release(release)
    if found.standing.complete:
        return
    need = found.standing.needs[0]
    message = (
        f"{found.component}/{found.version} has {len(need.signed)} of {need.threshold} signatures; "
        f"{need.missing} of {', '.join(need.unsigned)} must still sign."
    )
    hint = f"On the machine of one of them: surefoot release cosign {release.folder} --keys DIR"
    raise UntrustedRelease("signatures_missing", message, hint)


def read_role(release: ReleaseFolder) -> bytes:
    """Raises Invalid."""
    return _read(release, ROLE_FILE)


def read_top(release: ReleaseFolder) -> Targets:
    """The top level that came with a release, unverified. Raises Invalid, UntrustedRelease."""
    found = read_signed(_read(release, TARGETS_FILE)).signed
    if not isinstance(found, Targets) or release.manifest.component not in delegated_components(found):
        raise Invalid("malformed", f"The {TARGETS_FILE} of {release.folder} does not delegate its component.")
    return found


def _read(release: ReleaseFolder, name: str) -> bytes:
    try:
        return (release.folder / name).read_bytes()
    except OSError as error:
        hint = "Run `surefoot release sign` on it first."
        raise Invalid(
            "malformed", f"The release in {release.folder} is not signed: {name} is missing.", hint
        ) from error


def _sign_role(keys_dir: Path, component: str, ring: KeyRing, now: datetime, change: Change) -> bytes:
    keys, name = KeyFolder(keys_dir), role_name(component)
    targets = read_targets(keys)
    if component not in delegated_components(targets):
        hint = f"Run `surefoot keys init {keys_dir} --component {component}` first."
        raise NotFound("not_found", f"{keys_dir} has no keys for component {component!r}.", hint)
    signers = ring.signers(IMAGE_RELEASE, delegated_components(targets)[component].keys)
    if not signers:
        raise no_release_key(ring, component)
    with locked(keys.image):
        path = latest(keys.image, name)
        if path is None:
            raise ConfigError("key_missing", f"{keys.image} holds no role of {component}.")
        current = read_role_file(path)
        listed = change(current.targets)
        version = current.version + 1
        unsigned = sign(build_release_role(version, now + RELEASE_ROLE_LIFETIME, listed.values()), ())
        raw = cosigned(unsigned, (Delegator(targets, name),), signers)
        write_durably(keys.image / f"{version}.{name}.json", raw, mode=0o644)
    return raw


def no_release_key(ring: KeyRing, component: str) -> ConfigError:
    where, why = ", ".join(str(folder) for folder in ring.folders), " ".join(ring.absent)
    hint = "Give the folder that holds your key with --offline, or its name with --key."
    return ConfigError("key_missing", f"No release key of {component} can sign in {where}. {why}".strip(), hint)


def _with(listed: Mapping[str, TargetFile], target: TargetFile) -> dict[str, TargetFile]:
    known = listed.get(target.path)
    if known is not None and known.hashes != target.hashes:
        hint = "Give the changed release a new version and counter."
        raise Conflict("conflict", f"{target.path} was signed with other bytes.", hint)
    return {**listed, target.path: target}
