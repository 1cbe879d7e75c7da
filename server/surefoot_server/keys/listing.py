"""`surefoot release policy`, `permit`, `withdraw`: change what a component's release role says, without a release.

Each makes the next version of the role with the signatures that can be made here; where more are needed it waits in
pending/ and others add theirs with `surefoot keys cosign`, as for a rotation. `surefoot keys install` takes it to the
server. Promises: nothing but the one entry changes; what was never released cannot be permitted, revoked or withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import TargetFile

from surefoot_server.keys.cosign import Proposed, propose, refuse_second
from surefoot_server.keys.layout import KeyFolder
from surefoot_server.keys.offline import RELEASE_ROLE_LIFETIME
from surefoot_server.keys.rotation import read_current
from surefoot_server.keys.signers import KeyRing
from surefoot_shared import wire
from surefoot_shared.errors import Conflict, Invalid, NotFound
from surefoot_shared.release import SHA256, role_name, target_path
from surefoot_shared.trust.permit import Permit, permit_path
from surefoot_shared.trust.policy import Policy, policy_path
from surefoot_shared.trust.repository import build_release_role, permit_target, policy_target
from surefoot_shared.trust.signing import sign

Listed = Mapping[str, TargetFile]


def policy_of(folder: Path, component: str) -> Policy:
    """The policy in force in a keys folder. Raises NotFound, Invalid, ConfigError."""
    target = _listed(folder, component).get(policy_path(component))
    return wire.from_json(Policy, target.custom) if target else Policy(component)


def digest_listed(folder: Path, component: str, version: str) -> str:
    """The digest of a release that the role lists; a digest is itself. Raises NotFound, ConfigError."""
    if SHA256.fullmatch(version):
        return version
    target = _listed(folder, component).get(target_path(component, version))
    if target is None:
        hint = (
            "What is signed in this folder counts: a release may be published and not be in this copy of repository/."
        )
        raise NotFound("not_found", f"The release keys do not list {component}/{version}.", hint)
    return target.hashes["sha256"]


def propose_policy(folder: Path, policy: Policy, ring: KeyRing, now: datetime) -> Proposed:
    """Raises Conflict where the policy says so already or its minimum would fall, NotFound, ConfigError."""
    before = policy_of(folder, policy.component)
    if policy == before and policy_path(policy.component) in _listed(folder, policy.component):
        raise Conflict("conflict", f"The policy of {policy.component} says that already.")
    if policy.min_svn < before.min_svn:
        message = f"The least security version of {policy.component} is {before.min_svn}; devices keep their floor."
        raise Conflict("conflict", message, "A permit leads below it: surefoot release permit.")
    target, words = policy_target(policy), f"svn at least {policy.min_svn}, {len(policy.revoked)} revoked"
    why = f"Policy of {policy.component}: {words}."
    return _propose(folder, policy.component, {target.path: target}, why, ring, now)


def propose_permit(folder: Path, permit: Permit, ring: KeyRing, now: datetime) -> Proposed:
    """Raises Conflict where a permit of that id exists, NotFound, ConfigError."""
    path = permit_path(permit.component, permit.id)
    if path in _listed(folder, permit.component):
        raise Conflict("conflict", f"{path} was signed before; a permit is never changed.", "Give it another id.")
    why = f"Permit {permit.id} of {permit.component} for {len(permit.devices)} devices: {permit.reason}"
    return _propose(folder, permit.component, {path: permit_target(permit)}, why, ring, now)


def propose_withdrawal(folder: Path, component: str, version: str, ring: KeyRing, now: datetime) -> Proposed:
    """Raises NotFound, ConfigError."""
    digest_listed(folder, component, version)
    why = f"{component}/{version} is withdrawn."
    return _propose(folder, component, {target_path(component, version): None}, why, ring, now)


def _listed(folder: Path, component: str) -> Listed:
    role = read_current(KeyFolder(folder)).roles.get(component)
    if role is None:
        raise NotFound("not_found", f"{folder} has no keys for component {component!r}.")
    return role.targets


def _propose(
    folder: Path, component: str, changes: Mapping[str, TargetFile | None], why: str, ring: KeyRing, now: datetime
) -> Proposed:
    refuse_second(folder)
    role = read_current(KeyFolder(folder)).roles[component]
    targets = {path: each for path, each in {**role.targets, **changes}.items() if each is not None}
    newer = build_release_role(role.version + 1, now + RELEASE_ROLE_LIFETIME, targets.values())
    return propose(folder, {f"image/{newer.version}.{role_name(component)}.json": sign(newer, ())}, why, ring)


def permit_from(
    component: str, name: str, from_sha256: str, to_sha256: str, devices: tuple[str, ...], until: str, reason: str
) -> Permit:
    """Raises Invalid."""
    try:
        return Permit(name, component, from_sha256, to_sha256, devices, until, reason)
    except ValueError as error:
        raise Invalid("malformed", f"This is no permit: {error}.") from error
