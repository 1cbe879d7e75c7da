"""Check a release folder without a server: factory provisioning of a device's first release, from a local medium.

The chain is the image repository's own: bootstrap root → targets → the component's release role → manifest, each link
verified by python-tuf. There is no director and no timestamp here, so this serves a device that runs nothing yet and
refuses any other use: `surefoot-agent enrol --release` is its only caller. Source: DESIGN §6.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tuf.api import exceptions as tuf_errors
from tuf.api.metadata import Metadata, Root, Targets
from tuf.api.serialization import DeserializationError

from surefoot_shared import wire
from surefoot_shared.errors import Invalid, UntrustedRelease
from surefoot_shared.release import Manifest, TargetNote, note_of, parse_manifest, role_name, target_path
from surefoot_shared.status import Intent
from surefoot_shared.trust.fields import IMAGE
from surefoot_shared.trust.floors import FloorStore
from surefoot_shared.trust.target import check_target
from surefoot_shared.trust.updater import trusted_root

TARGETS_FILE, ROLE_FILE, MANIFEST_FILE = "targets.json", "role.json", "manifest.json"


def provisioned(trust_folder: Path, release: Path, hw: str, now: datetime) -> tuple[TargetNote, Manifest, bytes]:
    """Return what the release keys signed about the manifest in `release`; raises UntrustedRelease or Invalid."""
    raw = _read(release / MANIFEST_FILE)
    manifest = parse_manifest(raw)
    component = manifest.component
    try:
        root = trusted_root(trust_folder, IMAGE)
        targets = _signed_by(root, Targets.type, _read(release / TARGETS_FILE), now)
        role = _signed_by(targets, role_name(component), _read(release / ROLE_FILE), now)
        listed = role.targets.get(target_path(component, manifest.version))
        if listed is None:
            raise UntrustedRelease("not_released", f"The release keys do not list {component} {manifest.version}.")
        listed.verify_length_and_hashes(raw)
    except tuf_errors.LengthOrHashMismatchError as error:
        raise UntrustedRelease("target_mismatch", f"The manifest of {release} is not the one signed.") from error
    except (tuf_errors.RepositoryError, DeserializationError) as error:
        raise UntrustedRelease("metadata_untrusted", f"The signatures of {release} are not trusted: {error}") from error
    try:
        note = wire.from_json(TargetNote, listed.custom)
    except Invalid as error:
        raise UntrustedRelease("manifest_malformed", f"The signed note of {release} is unreadable.") from error
    if note != note_of(manifest):
        raise UntrustedRelease("target_mismatch", f"The signed note of {release} does not describe its manifest.")
    check_target(note, Intent.UPDATE, hw, FloorStore(trust_folder).load())
    return note, manifest, raw


def _signed_by(delegator: Root | Targets, role: str, raw: bytes, now: datetime) -> Targets:
    """Return the role's content once its signatures meet the delegator's threshold and it has not expired."""
    metadata = Metadata[Targets].from_bytes(raw)
    delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    if metadata.signed.is_expired(now):
        raise UntrustedRelease("metadata_expired", f"The signature of role {role} expired {metadata.signed.expires}.")
    return metadata.signed


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{path.parent} is not a signed release folder: {path.name} cannot be read."
        hint = "Make it with `surefoot release build` and `surefoot release sign`."
        raise Invalid("malformed", message, hint) from error
