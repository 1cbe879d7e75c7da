"""A fleet's repositories and one device, in memory and a temporary folder, with real keys and real metadata.

Honest by default; a test bends exactly what its attack bends: each signing method takes other signers, versions, times
or fields, and a bundle is a dictionary of files until it is packed. Time stands still at `NOW` unless a test moves it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import MetaFile, Snapshot, TargetFile, Targets, Timestamp

from surefoot_shared.messages import AssignmentNote
from surefoot_shared.release import Manifest, TreeFile, digest_of, manifest_bytes, note_of, role_name
from surefoot_shared.status import Intent
from surefoot_shared.trust.bundle import Bundle, pack
from surefoot_shared.trust.director import SignedWish, sign_assignments
from surefoot_shared.trust.fields import DIRECTOR, IMAGE
from surefoot_shared.trust.floors import Floors, FloorStore
from surefoot_shared.trust.halt import sign_halt
from surefoot_shared.trust.permit import Permit
from surefoot_shared.trust.policy import Policy
from surefoot_shared.trust.repository import (
    build_release_role,
    build_root,
    build_snapshot,
    build_targets,
    build_timestamp,
    permit_target,
    policy_target,
    release_target,
)
from surefoot_shared.trust.signing import RoleKeys, new_signer, sign
from surefoot_shared.trust.verify import Verified, accept_halt, decide

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
DEVICE, NEIGHBOUR, HW = "cam-17", "cam-18", "rpi5"
DAY = timedelta(days=1)


def manifest(
    version: str = "1.1", counter: int = 101, svn: int = 0, hw: Sequence[str] = (HW,), component: str = "app"
) -> bytes:
    files = (TreeFile("bin/count", 0o755, 3, digest_of(version.encode())),)
    return manifest_bytes(Manifest(component, version, counter, svn, tuple(hw), files))


@dataclass
class Keys:
    """The signers of one role."""

    signers: list[CryptoSigner]
    threshold: int = 1

    @classmethod
    def new(cls, count: int = 1, threshold: int = 1) -> Keys:
        return cls([new_signer() for _ in range(count)], threshold)

    @property
    def public(self) -> RoleKeys:
        return RoleKeys(tuple(signer.public_key for signer in self.signers), self.threshold)


@dataclass
class FleetSimulator:
    """Both repositories. `image` and `director_roots` hold what a bundle may carry, by file name."""

    image_root: Keys = field(default_factory=lambda: Keys.new(3, 2))
    targets: Keys = field(default_factory=Keys.new)
    release: Keys = field(default_factory=lambda: Keys.new(3, 2))
    snapshot: Keys = field(default_factory=Keys.new)
    timestamp: Keys = field(default_factory=Keys.new)
    director_root: Keys = field(default_factory=Keys.new)
    director: Keys = field(default_factory=Keys.new)
    halt: Keys = field(default_factory=Keys.new)
    components: tuple[str, ...] = ("app",)
    image: dict[str, str] = field(default_factory=dict)
    director_roots: dict[str, str] = field(default_factory=dict)
    listed: dict[str, TargetFile] = field(default_factory=dict)
    manifests: dict[tuple[str, str], bytes] = field(default_factory=dict)
    version: dict[str, int] = field(default_factory=dict)
    now: datetime = NOW
    _count: int = 1_000

    def __post_init__(self) -> None:
        self.sign_image_root()
        self.sign_director_root()
        self.sign_targets()
        for component in self.components:
            self.sign_role(component)
        self.publish()

    # The image repository

    def sign_image_root(self, also: Sequence[CryptoSigner] = (), **fields: Any) -> str:
        roles = {
            "root": self.image_root,
            "targets": self.targets,
            "snapshot": self.snapshot,
            "timestamp": self.timestamp,
        }
        return self._sign_root(IMAGE, self.image, roles, [*self.image_root.signers, *also], None)

    def sign_targets(self) -> None:
        number = self._next("targets")
        top = build_targets(number, self.now + 365 * DAY, dict.fromkeys(self.components, self.release.public))
        self.image[f"{number}.targets.json"] = sign(top, self.targets.signers).decode()

    def sign_role(
        self, component: str = "app", signers: Sequence[CryptoSigner] | None = None, lifetime: timedelta = 180 * DAY
    ) -> bytes:
        name = role_name(component)
        number = self._next(name)
        mine = [
            target for path, target in self.listed.items() if path.split("/")[1] in (component, f"{component}.json")
        ]
        chosen = self.release.signers[: self.release.threshold] if signers is None else signers
        raw = sign(build_release_role(number, self.now + lifetime, mine), chosen)
        self.image[f"{number}.{name}.json"] = raw.decode()
        return raw

    def publish(self, snapshot_life: timedelta = 7 * DAY, timestamp_life: timedelta = 7 * DAY) -> None:
        roles = {role_name(component): self.version[role_name(component)] for component in self.components}
        number = self._next("snapshot")
        snapshot = build_snapshot(number, self.now + snapshot_life, {"targets": self.version["targets"], **roles})
        self.image[f"{number}.snapshot.json"] = sign(snapshot, self.snapshot.signers).decode()
        timestamp = build_timestamp(self._next("timestamp"), self.now + timestamp_life, number)
        self.image["timestamp.json"] = sign(timestamp, self.timestamp.signers).decode()

    def release_version(
        self,
        version: str = "1.1",
        counter: int = 101,
        svn: int = 0,
        hw: Sequence[str] = (HW,),
        component: str = "app",
        signers: Sequence[CryptoSigner] | None = None,
    ) -> bytes:
        """Build, sign and publish a release; returns its manifest."""
        raw = manifest(version, counter, svn, hw, component)
        target = release_target(raw)
        self.listed[target.path] = target
        self.manifests[component, version] = raw
        self.sign_role(component, signers)
        self.publish()
        return raw

    def withdraw(self, version: str, component: str = "app") -> None:
        del self.listed[f"releases/{component}/{version}/manifest.json"]
        self.sign_role(component)
        self.publish()

    def set_policy(self, policy: Policy) -> None:
        target = policy_target(policy)
        self.listed[target.path] = target
        self.sign_role(policy.component)
        self.publish()

    def permit(self, permit: Permit, signers: Sequence[CryptoSigner] | None = None) -> None:
        target = permit_target(permit)
        self.listed[target.path] = target
        self.sign_role(permit.component, signers)
        self.publish()

    # The director

    def sign_director_root(self, also: Sequence[CryptoSigner] = (), halt: bool = True) -> str:
        roles = dict.fromkeys(("targets", "snapshot", "timestamp"), self.director)
        roles["root"] = self.director_root
        signers = [*self.director_root.signers, *also]
        return self._sign_root(DIRECTOR, self.director_roots, roles, signers, self.halt.public if halt else None)

    def wish(
        self, version: str = "1.1", intent: Intent = Intent.UPDATE, device: str = DEVICE, **changed: Any
    ) -> SignedWish:
        component = changed.pop("component", "app")
        raw = self.manifests.get((component, version)) or manifest(version, component=component)
        seq = self.next_version()
        note = AssignmentNote(device, f"a-{seq}", component, seq, intent)
        return SignedWish(note, version, changed.get("digest", digest_of(raw)), changed.get("size", len(raw)))

    def assign(self, *wishes: SignedWish, device: str = DEVICE, **changed: Any) -> dict[str, str]:
        """The director's files for a device, with the roots."""
        number = changed.pop("version", None) or self.next_version()
        signer = changed.pop("signer", self.director.signers[0])
        return {**self.director_roots, **sign_assignments(device, wishes, number, self.now, signer, **changed)}

    def assign_freely(self, targets: Targets, device: str = DEVICE) -> dict[str, str]:
        """Director files around whatever targets a thief of the director's key would sign."""
        number, expires = self.next_version(), self.now + DAY
        targets.version, targets.expires = number, expires
        targets.unrecognized_fields.setdefault("x-device", device)
        snapshot = Snapshot(number, expires=expires, meta={"targets.json": MetaFile(number)})
        snapshot.unrecognized_fields["x-device"] = device
        timestamp = Timestamp(number, expires=expires, snapshot_meta=MetaFile(number))
        timestamp.unrecognized_fields.update(
            {"x-device": device, "x-signed-at": self.now.strftime("%Y-%m-%dT%H:%M:%SZ")}
        )
        key = self.director.signers
        return {
            **self.director_roots,
            f"{number}.targets.json": sign(targets, key).decode(),
            f"{number}.snapshot.json": sign(snapshot, key).decode(),
            "timestamp.json": sign(timestamp, key).decode(),
        }

    def bundle(self, *wishes: SignedWish, device: str = DEVICE, **changed: Any) -> bytes:
        return pack(Bundle(device, self.assign(*wishes, device=device, **changed), self.image))

    def halt_list(
        self, *digests: str, epoch: int = 1, signers: Sequence[CryptoSigner] | None = None, **life: Any
    ) -> bytes:
        return sign_halt(digests, epoch, self.now, self.halt.signers if signers is None else signers, **life)

    def next_version(self) -> int:
        self._count += 1
        return self._count

    def _next(self, role: str) -> int:
        self.version[role] = self.version.get(role, 0) + 1
        return self.version[role]

    def _sign_root(
        self,
        repository: str,
        files: dict[str, str],
        roles: Mapping[str, Keys],
        signers: Sequence[CryptoSigner],
        halt: RoleKeys | None,
    ) -> str:
        number = self._next(f"{repository}.root")
        public = {role: keys.public for role, keys in roles.items()}
        root = build_root(repository, "test-fleet", number, self.now - 30 * DAY, self.now + 365 * DAY, public, halt)
        files[f"{number}.root.json"] = sign(root, signers).decode()
        return files[f"{number}.root.json"]


class DeviceSimulator:
    """One device's trust folder, enrolled with the fleet's first roots."""

    def __init__(self, folder: Path, fleet: FleetSimulator, device: str = DEVICE, hw: str = HW) -> None:
        self.folder, self.device, self.hw = folder, device, hw
        (folder / "bootstrap").mkdir(parents=True)
        (folder / "bootstrap" / "image.root.json").write_text(fleet.image["1.root.json"])
        (folder / "bootstrap" / "director.root.json").write_text(fleet.director_roots["1.root.json"])

    def decide(self, raw: bytes, now: datetime = NOW, nonces: Sequence[str] = ()) -> Verified:
        return decide(self.folder, self.device, self.hw, raw, now, nonces)

    def take(
        self, director: Mapping[str, str], image: Mapping[str, str] | None = None, now: datetime = NOW
    ) -> Verified:
        return self.decide(pack(Bundle(self.device, director, image or {})), now)

    def halt(self, raw: bytes, now: datetime = NOW) -> tuple[int, tuple[str, ...]]:
        return accept_halt(self.folder, raw, now)[:2]

    def commit(self, raw_manifest: bytes) -> None:
        from surefoot_shared.release import parse_manifest

        FloorStore(self.folder).committed(note_of(parse_manifest(raw_manifest)), digest_of(raw_manifest))

    @property
    def floors(self) -> Floors:
        return FloorStore(self.folder).load()


def edited(text: str, **changes: Any) -> str:
    """A signed file with fields of its signed part changed, and the old signatures: what a broker could do."""
    value = json.loads(text)
    value["signed"].update(changes)
    return json.dumps(value)


def signatures(text: str, value: list[dict[str, str]]) -> str:
    whole = json.loads(text)
    whole["signatures"] = value
    return json.dumps(whole)
