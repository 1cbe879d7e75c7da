"""Put the first release into slot A of a new device, from a signed release folder, before any server is asked.

Promises: nothing enters the slot that the release keys did not sign for this hardware; done twice it changes nothing;
interrupted, it goes on. Refuses a device that already has a release: from then on only the update path writes slots.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from pathlib import Path

from surefoot_agent.ports import BootControl, Piece, Slots
from surefoot_agent.slots.kind import refuse_other_kind
from surefoot_shared.errors import ConfigError, InstallFailed, Invalid
from surefoot_shared.release import Manifest, TargetNote, digest_of, parse_manifest
from surefoot_shared.status import SlotName, SlotState
from surefoot_shared.trust.floors import FloorStore

CHUNK_BYTES = 1024 * 1024
FIRST = SlotName.A


def provision(
    trust_folder: Path, release: Path, component: str, hw: str, slots: Slots, boot: BootControl, now: datetime
) -> Manifest:
    """Verify the folder, fill slot A, mark it good and current. Raises UntrustedRelease, InstallFailed, ConfigError."""
    note, manifest, raw = first_release(trust_folder, release, component, hw, now)
    held = [slot for slot in SlotName if slots.digest(slot) is not None]
    if held and slots.digest(FIRST) != digest_of(raw):
        raise ConfigError("conflict", "This device already has a release.", "Update it through a rollout.")
    if not held:
        _fill(slots, release, manifest, raw)
    FloorStore(trust_folder).committed(note, digest_of(raw))
    boot.set_state(FIRST, SlotState.GOOD)
    boot.set_primary(FIRST)
    return manifest


def first_release(
    trust_folder: Path, release: Path, component: str, hw: str, now: datetime
) -> tuple[TargetNote, Manifest, bytes]:
    """Verify the folder and change nothing; raises UntrustedRelease, Invalid, ConfigError."""
    from surefoot_shared.trust.provision import provisioned  # python-tuf: only this one short-lived command pays for it

    note, manifest, raw = provisioned(trust_folder, release, hw, now)
    if manifest.component != component:
        raise ConfigError("config_invalid", f"{release} is a release of {manifest.component}, not of {component}.")
    return note, manifest, raw


def component_named_in(release: Path) -> str | None:
    """The component that the folder's manifest names, unverified: it only picks whose slots are asked."""
    try:
        return parse_manifest((release / "manifest.json").read_bytes()).component
    except (OSError, Invalid):
        return None  # whoever verifies the folder says what is wrong with it


def _fill(slots: Slots, release: Path, manifest: Manifest, raw: bytes) -> None:
    refuse_other_kind(slots.kind, manifest.slot)
    slots.room(manifest.installed_size_bytes, manifest.inodes, FIRST)
    slots.begin(FIRST, manifest, raw)
    for piece in slots.missing(FIRST):
        for left in slots.reuse(FIRST, piece):
            slots.write(FIRST, left, partial(_bytes, release, left))
    slots.seal(FIRST)


def _bytes(release: Path, piece: Piece, offset: int) -> Iterable[bytes]:
    left = piece.end - offset
    try:
        with (release / "blobs" / piece.sha256).open("rb") as blob:
            blob.seek(offset)
            while left and (part := blob.read(min(CHUNK_BYTES, left))):
                left -= len(part)
                yield part
    except OSError as error:
        raise InstallFailed("artifact_missing", f"{release} lacks the bytes of {piece.name}.") from error
