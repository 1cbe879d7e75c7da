"""Sign what one device shall run: the director's three files, made for that device alone.

Targets, snapshot and timestamp all carry the device's name, also where nothing is wanted: otherwise a neighbour's empty
assignment could be replayed. The version is one number for the three and comes from the fleet-wide counter. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from securesystemslib.signer import Signer
from tuf.api.metadata import MetaFile, Snapshot, TargetFile, Targets, Timestamp

from surefoot_shared import wire
from surefoot_shared.errors import Conflict
from surefoot_shared.notes import AssignmentNote
from surefoot_shared.release import target_path
from surefoot_shared.trust.clock import format_time
from surefoot_shared.trust.fields import X_DEVICE, X_NONCE, X_SIGNED_AT
from surefoot_shared.trust.signing import sign, whole_seconds

LIFETIME = timedelta(days=7)
"""Cameras are offline for days; expired means "ask again", never "stop running"."""


@dataclass(frozen=True, slots=True)
class SignedWish:
    """One assignment as the director signs it: the note, and the release it names by version, digest and size."""

    note: AssignmentNote
    version: str
    digest: str
    manifest_size: int


def sign_assignments(
    device: str,
    wishes: Sequence[SignedWish],
    version: int,
    now: datetime,
    signer: Signer,
    lifetime: timedelta = LIFETIME,
    nonce: str = "",
) -> dict[str, str]:
    """Return {file name: text}; `nonce` is of the hello that this answers.

    Raises Conflict(duplicate_assignment) where two wishes are for one component.
    """
    components = [wish.note.component for wish in wishes]
    if len(set(components)) != len(components):
        raise Conflict("duplicate_assignment", f"{device} would get two releases of one component.")
    expires, owner = whole_seconds(now, lifetime), {X_DEVICE: device}
    targets = Targets(version, expires=expires, targets=_targets(wishes), unrecognized_fields=dict(owner))
    snapshot = Snapshot(
        version, expires=expires, meta={"targets.json": MetaFile(version)}, unrecognized_fields=dict(owner)
    )
    stamped = {**owner, X_SIGNED_AT: format_time(now), **({X_NONCE: nonce} if nonce else {})}
    timestamp = Timestamp(version, expires=expires, snapshot_meta=MetaFile(version), unrecognized_fields=stamped)
    return {
        f"{version}.targets.json": sign(targets, [signer]).decode(),
        f"{version}.snapshot.json": sign(snapshot, [signer]).decode(),
        "timestamp.json": sign(timestamp, [signer]).decode(),
    }


def _targets(wishes: Sequence[SignedWish]) -> dict[str, TargetFile]:
    files = [
        TargetFile(
            wish.manifest_size,
            {"sha256": wish.digest},
            target_path(wish.note.component, wish.version),
            {"custom": wire.to_json(wish.note)},
        )
        for wish in wishes
    ]
    return {file.path: file for file in files}
