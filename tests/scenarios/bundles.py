"""Bundles that no device may follow, made with the fleet's real online keys: what a broken-into server could send."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from securesystemslib.signer import Signer

from surefoot_server.keys.files import read_key
from surefoot_server.keys.layout import DIRECTOR_KEY
from surefoot_shared.messages import AssignmentNote
from surefoot_shared.release import digest_of, parse_manifest
from surefoot_shared.status import Intent
from surefoot_shared.trust.bundle import Bundle, pack
from surefoot_shared.trust.director import SignedWish, sign_assignments
from surefoot_shared.trust.signing import new_signer
from tests.scenarios.world import World


class Forge:
    """Holds every online key of the world's server, none of its offline keys, and is after one device."""

    def __init__(self, world: World, device: str) -> None:
        self._world, self._device = world, device
        self._signer: Signer = read_key(world.operator.keys / "online", DIRECTOR_KEY)

    def for_another_device(self) -> bytes:
        """Genuine, and meant for a neighbour."""
        return pack(Bundle("cam-77", self._director("cam-77", [self._wish("1.1", "cam-77")])))

    def expired(self) -> bytes:
        long_ago = datetime.now(timezone.utc) - timedelta(days=30)
        return self._bundle([self._wish("1.1")], at=long_ago)

    def wrong_hardware(self) -> bytes:
        """2.0 is signed and published, for another hardware."""
        return self._bundle([self._wish("2.0")])

    def never_released(self) -> bytes:
        """The director's key alone names a release that no release key signed."""
        note = self._note(self._device)
        return self._bundle([SignedWish(note, "6.6", digest_of(b"malware"), 7)])

    def signed_by_a_stranger(self) -> bytes:
        self._signer = new_signer()
        return self._bundle([self._wish("1.1")])

    def truncated(self) -> bytes:
        return self._bundle([self._wish("1.1")])[:-20]

    def _bundle(self, wishes: Sequence[SignedWish], at: datetime | None = None) -> bytes:
        return pack(Bundle(self._device, self._director(self._device, wishes, at), self._image()))

    def _director(self, device: str, wishes: Sequence[SignedWish], at: datetime | None = None) -> dict[str, str]:
        version = int(time.time() * 1000)
        return sign_assignments(device, wishes, version, at or datetime.now(timezone.utc), self._signer)

    def _wish(self, version: str, device: str | None = None) -> SignedWish:
        raw = (self._world.ground.release(version) / "manifest.json").read_bytes()
        manifest = parse_manifest(raw)
        return SignedWish(self._note(device or self._device), manifest.version, digest_of(raw), len(raw))

    def _note(self, device: str) -> AssignmentNote:
        return AssignmentNote(device, uuid.uuid4().hex, "app", int(time.time() * 1000), Intent.UPDATE)

    def _image(self) -> dict[str, str]:
        """The image repository as the server serves it: newest timestamp, snapshot, targets and roles."""
        folder = next(self._world.server.data.rglob("timestamp.json")).parent
        return {path.name: path.read_text() for path in folder.iterdir() if _served(path)}


def _served(path: Path) -> bool:
    return path.suffix == ".json" and not path.name.endswith("root.json")
