"""Bundles that no device may follow, made with the fleet's real online keys: what a broken-into server could send."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, Root

from surefoot_server.keys.files import read_key
from surefoot_server.keys.layout import DIRECTOR_KEY, HALT_KEY
from surefoot_shared.messages import AssignmentNote
from surefoot_shared.release import digest_of, parse_manifest
from surefoot_shared.status import Intent
from surefoot_shared.trust.bundle import Bundle, pack
from surefoot_shared.trust.director import SignedWish, sign_assignments
from surefoot_shared.trust.halt import sign_halt
from surefoot_shared.trust.signing import new_signer
from tests.scenarios.world import World

LAST = 10**18 - 1
"""The highest version that a file in a bundle can have."""


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

    def wrong_hardware(self, version: str = "2.0") -> bytes:
        """It is signed and published, for another hardware."""
        return self._bundle([self._wish(version)])

    def never_released(self) -> bytes:
        """The director's key alone names a release that no release key signed."""
        note = self._note(self._device)
        return self._bundle([SignedWish(note, "6.6", digest_of(b"malware"), 7)])

    def below_floor(self) -> bytes:
        """1.1 is signed and published, and has a security version below what this device has committed."""
        return self._bundle([self._wish("1.1", intent=Intent.REVERT)])

    def numbers_used_up(self) -> bytes:
        """An assignment that is refused, under the highest numbers that are left below `clock_pushed_ahead`."""
        note = replace(self._note(self._device), seq=LAST - 1)
        return self._bundle([SignedWish(note, "6.6", digest_of(b"malware"), 7)], version=LAST - 1)

    def clock_pushed_ahead(self) -> bytes:
        """Signed, as it says, a minute before the director's root ends."""
        folder = self._world.operator.keys / "repository" / "director"
        ends = max(Metadata[Root].from_bytes(path.read_bytes()).signed.expires for path in folder.glob("*.root.json"))
        minute = timedelta(minutes=1)
        files = sign_assignments(self._device, (), LAST, ends - minute, self._signer, lifetime=minute)
        return pack(Bundle(self._device, files, {}))

    def halt_for_ever(self, version: str) -> bytes:
        """The highest epoch, over a good release."""
        key = read_key(self._world.operator.keys / "online", HALT_KEY)
        digest = digest_of((self._world.ground.release(version) / "manifest.json").read_bytes())
        return sign_halt([digest], LAST, datetime.now(timezone.utc), [key])

    def signed_by_a_stranger(self) -> bytes:
        self._signer = new_signer()
        return self._bundle([self._wish("1.1")])

    def truncated(self) -> bytes:
        return self._bundle([self._wish("1.1")])[:-20]

    def _bundle(self, wishes: Sequence[SignedWish], at: datetime | None = None, version: int = 0) -> bytes:
        return pack(Bundle(self._device, self._director(self._device, wishes, at, version), self._image()))

    def _director(
        self, device: str, wishes: Sequence[SignedWish], at: datetime | None = None, version: int = 0
    ) -> dict[str, str]:
        version = version or int(time.time() * 1000)
        return sign_assignments(device, wishes, version, at or datetime.now(timezone.utc), self._signer)

    def _wish(self, version: str, device: str | None = None, intent: Intent = Intent.UPDATE) -> SignedWish:
        raw = (self._world.ground.release(version) / "manifest.json").read_bytes()
        manifest = parse_manifest(raw)
        note = replace(self._note(device or self._device), intent=intent)
        return SignedWish(note, manifest.version, digest_of(raw), len(raw))

    def _note(self, device: str) -> AssignmentNote:
        return AssignmentNote(device, uuid.uuid4().hex, "app", int(time.time() * 1000), Intent.UPDATE)

    def _image(self) -> dict[str, str]:
        """The image repository as the server serves it: newest timestamp, snapshot, targets and roles."""
        folder = next(self._world.server.data.rglob("timestamp.json")).parent
        return {path.name: path.read_text() for path in folder.iterdir() if _served(path)}


def _served(path: Path) -> bool:
    return path.suffix == ".json" and not path.name.endswith("root.json")
