"""Build the metadata of the image repository and both roots; pure: values in, unsigned TUF values out.

Versions, times and keys are arguments. Thresholds are data: 1-of-1 for a small install, 3-of-5 for a large one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tuf.api.metadata import DelegatedRole, Delegations, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from surefoot_shared import wire
from surefoot_shared.release import digest_of, note_of, parse_manifest, role_name, target_path
from surefoot_shared.trust.clock import format_time
from surefoot_shared.trust.fields import X_FLEET, X_HALT, X_REPO, X_SIGNED_AT
from surefoot_shared.trust.permit import Permit, permit_bytes, permit_path
from surefoot_shared.trust.policy import Policy, policy_bytes, policy_path
from surefoot_shared.trust.signing import RoleKeys, whole_seconds

ROLES = ("root", "targets", "snapshot", "timestamp")


def build_root(
    repository: str,
    fleet: str,
    version: int,
    signed_at: datetime,
    expires: datetime,
    roles: Mapping[str, RoleKeys],
    halt: RoleKeys | None = None,
) -> Root:
    """Return a root that names its repository, its fleet and when it was signed, so that none passes for another's.

    `halt` is the director's: who may sign the halt list.
    """
    fields: dict[str, Any] = {X_REPO: repository, X_FLEET: fleet, X_SIGNED_AT: format_time(signed_at)}
    if halt is not None:
        fields[X_HALT] = _halt_field(halt)
    root = Root(version, expires=whole_seconds(expires), consistent_snapshot=True, unrecognized_fields=fields)
    for role in ROLES:
        for key in roles[role].keys:
            root.add_key(key, role)
        root.roles[role].threshold = roles[role].threshold
    return root


def build_targets(version: int, expires: datetime, components: Mapping[str, RoleKeys]) -> Targets:
    """Return the image repository's top level: it lists nothing, each component is delegated to its release keys."""
    roles = {role_name(component): _delegated(component, keys) for component, keys in components.items()}
    known = {key.keyid: key for keys in components.values() for key in keys.keys}
    return Targets(version, expires=whole_seconds(expires), delegations=Delegations(known, roles))


def build_release_role(version: int, expires: datetime, targets: Iterable[TargetFile]) -> Targets:
    """Return `rel-COMPONENT`: every release of the component that is still supported, and its policy."""
    return Targets(version, expires=whole_seconds(expires), targets={target.path: target for target in targets})


def release_target(manifest_raw: bytes) -> TargetFile:
    """Return the entry of one release, which is its manifest; raises UntrustedRelease(manifest_malformed)."""
    manifest = parse_manifest(manifest_raw)
    path = target_path(manifest.component, manifest.version)
    return _target(path, manifest_raw, wire.to_json(note_of(manifest)))


def policy_target(policy: Policy) -> TargetFile:
    return _target(policy_path(policy.component), policy_bytes(policy), wire.to_json(policy))


def permit_target(permit: Permit) -> TargetFile:
    path = permit_path(permit.component, permit.id)
    return _target(path, permit_bytes(permit), wire.to_json(permit))


def build_snapshot(version: int, expires: datetime, files: Mapping[str, int]) -> Snapshot:
    """`files` maps role names (`targets`, `rel-app`) to their versions."""
    meta = {f"{role}.json": MetaFile(number) for role, number in files.items()}
    return Snapshot(version, expires=whole_seconds(expires), meta=meta)


def build_timestamp(version: int, expires: datetime, snapshot_version: int) -> Timestamp:
    return Timestamp(version, expires=whole_seconds(expires), snapshot_meta=MetaFile(snapshot_version))


def _delegated(component: str, keys: RoleKeys) -> DelegatedRole:
    # A pattern of TUF matches part by part: "releases/app/*" would not match the manifest below the version.
    paths = [f"releases/{component}/*/manifest.json", policy_path(component), permit_path(component, "*")]
    return DelegatedRole(role_name(component), [key.keyid for key in keys.keys], keys.threshold, True, paths)


def _target(path: str, content: bytes, custom: wire.Json) -> TargetFile:
    return TargetFile(len(content), {"sha256": digest_of(content)}, path, {"custom": custom})


def _halt_field(halt: RoleKeys) -> dict[str, Any]:
    return {
        "keyids": [key.keyid for key in halt.keys],
        "keys": {key.keyid: key.to_dict() for key in halt.keys},
        "threshold": halt.threshold,
    }
