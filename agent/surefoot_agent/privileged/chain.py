"""Verify, from bytes alone, that the release keys signed a manifest: root → targets → release role → the entry.

The link from keys to bytes is the image repository's own, each step python-tuf's; the director, snapshot and timestamp
say what is wanted and when, which is the agent's business: here only what may ever run is decided. Pure: files, floors
and hardware are the caller's. Refuses to parse a manifest: its hash is enough. DESIGN §6.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime

from tuf.api.metadata import Metadata, Root, TargetFile, Targets

from surefoot_agent.privileged.chain_talk import Listed, Proof, Question
from surefoot_agent.trust_talk import failure_of
from surefoot_shared import wire
from surefoot_shared.errors import Invalid, UntrustedRelease
from surefoot_shared.release import MANIFEST_LIMIT_BYTES, TargetNote, role_name, target_path
from surefoot_shared.trust.client import translated
from surefoot_shared.trust.fields import IMAGE, X_REPO
from surefoot_shared.trust.floors import Seen
from surefoot_shared.trust.permit import Permit, permit_folder, permit_path
from surefoot_shared.trust.policy import Policy, policy_path

ROOTS_LIMIT = 64
"""New roots in one question; a device that missed more goes on with the next."""


def prove(question: Question) -> Proof:
    """Raises UntrustedRelease where the chain itself cannot be trusted."""
    now = datetime.fromisoformat(question.now.replace("Z", "+00:00"))
    with translated(IMAGE):
        root, accepted = _newest_root(question)
        targets = _signed_by(root, Targets.type, question.targets, now)
        name = role_name(question.component)
        role = _signed_by(targets, name, question.role, now)
    policy = _policy(role, question.component)
    seen = {
        f"{IMAGE}.{Targets.type}": Seen(targets.version, _keys(root, Targets.type)),
        f"{IMAGE}.{name}": Seen(role.version, _keys(targets, name)),
    }
    try:
        return Proof(accepted, policy, seen, listed=_listed(role, question, policy))
    except UntrustedRelease as error:
        return Proof(accepted, policy, seen, refused=failure_of(error))


def _newest_root(question: Question) -> tuple[Root, int]:
    """Walk from the trusted root along those that both it and they themselves sign. TUF 5.3."""
    current = Metadata[Root].from_bytes(base64.b64decode(question.root)).signed
    _refuse_other(current)
    for number, raw in enumerate(question.newer_roots[:ROOTS_LIMIT]):
        newer = Metadata[Root].from_bytes(base64.b64decode(raw))
        if newer.signed.version != current.version + 1:
            return current, number
        for delegator in (current, newer.signed):
            delegator.verify_delegate(Root.type, newer.signed_bytes, newer.signatures)
        current = newer.signed
        _refuse_other(current)
    return current, len(question.newer_roots[:ROOTS_LIMIT])


def _refuse_other(root: Root) -> None:
    if root.unrecognized_fields.get(X_REPO) != IMAGE:
        raise UntrustedRelease("wrong_repository", "The root is not the image repository's.")


def _signed_by(delegator: Root | Targets, role: str, encoded: str, now: datetime) -> Targets:
    """Return the role's content once its signatures meet the delegator's threshold and it has not expired."""
    metadata = Metadata[Targets].from_bytes(base64.b64decode(encoded))
    try:
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except ValueError as error:
        raise UntrustedRelease("metadata_untrusted", f"Nobody is delegated the role {role}.") from error
    if metadata.signed.is_expired(now):
        raise UntrustedRelease("metadata_expired", f"The signature of role {role} expired {metadata.signed.expires}.")
    return metadata.signed


def _listed(role: Targets, question: Question, policy: Policy) -> Listed:
    entry = _entry(role, question)
    if question.digest in policy.revoked:
        raise UntrustedRelease("not_released", f"The release keys have revoked {entry.path}.")
    return Listed(_note(entry, question.component), entry.length, tuple(_permits(role, question)))


def _entry(role: Targets, question: Question) -> TargetFile:
    for path, listed in role.targets.items():
        if listed.hashes.get("sha256") == question.digest and path.startswith(f"releases/{question.component}/"):
            return listed
    message = f"The release keys do not list {question.component} {question.digest[:12]}."
    raise UntrustedRelease("not_released", message)


def _note(listed: TargetFile, component: str) -> TargetNote:
    try:
        note = wire.from_json(TargetNote, listed.custom)
    except Invalid as error:
        raise UntrustedRelease("manifest_malformed", f"The signed note of {listed.path} is unreadable.") from error
    if note.component != component or listed.path != target_path(component, note.version):
        raise UntrustedRelease("target_mismatch", f"{listed.path} is not a release of {component}.")
    if listed.length > MANIFEST_LIMIT_BYTES:
        raise UntrustedRelease("manifest_malformed", f"The manifest {listed.path} is larger than a device will read.")
    return note


def _policy(role: Targets, component: str) -> Policy:
    listed = role.targets.get(policy_path(component))
    if listed is None:
        return Policy(component)
    try:
        policy = wire.from_json(Policy, listed.custom)
    except Invalid as error:
        raise UntrustedRelease("metadata_untrusted", f"The policy of {component} is unreadable.") from error
    if policy.component != component:
        raise UntrustedRelease("metadata_untrusted", f"The policy of {component} is for {policy.component}.")
    return policy


def _permits(role: Targets, question: Question) -> list[Permit]:
    found = []
    for path, listed in sorted(role.targets.items()):
        if path.startswith(permit_folder(question.component)):
            try:
                permit = wire.from_json(Permit, listed.custom)
            except Invalid:
                continue  # a permit that cannot be read permits nothing
            if permit.to_sha256 == question.digest and path == permit_path(question.component, permit.id):
                found.append(permit)
    return [permit for permit in found if permit.component == question.component]


def _keys(delegator: Root | Targets, role: str) -> str:
    """A fingerprint of who may sign: a version binds while the same keys sign."""
    keyids = ",".join(sorted(delegator.get_delegated_role(role).keyids))
    return hashlib.sha256(keyids.encode()).hexdigest()[:16]
