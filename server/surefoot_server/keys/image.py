"""The server's copy of the image repository: accepts what the release keys signed, keeps snapshot and timestamp fresh.

Promises: a role is verified against the signed top level before it is stored; a signed release never changes its bytes;
the timestamp is written last, so a crash leaves the repository as it was. It holds no key that could release anything.
Callers hold one lock around every method.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from securesystemslib.signer import Signer
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp

from surefoot_server.keys.counter import FleetCounter
from surefoot_server.keys.layout import latest, versions_of
from surefoot_server.keys.offline import delegated_components
from surefoot_shared.errors import ConfigError, Conflict, NotFound, UntrustedRelease
from surefoot_shared.messages import MetadataVersions
from surefoot_shared.release import TargetNote, note_of, parse_manifest, role_name, target_path
from surefoot_shared.trust.durable import write_durably
from surefoot_shared.trust.repository import build_snapshot, build_timestamp, release_target
from surefoot_shared.trust.signing import sign

LIFETIME = timedelta(days=7)
"""Of snapshot and timestamp: signed again at half of it, so a server that was off for three days changes nothing."""


@dataclass(frozen=True, slots=True)
class Signed:
    """How the role that answers for a release is signed; `listed` is false once the release was withdrawn from it."""

    role: str
    version: int
    expires: str
    threshold: int
    signed: tuple[str, ...]
    """Ids of the keys whose signatures hold."""
    listed: bool


class ImageRepository:
    def __init__(self, folder: Path, snapshot_signer: Signer, timestamp_signer: Signer, counter: FleetCounter) -> None:
        """Load what the offline keys signed; raises ConfigError(key_missing, config_invalid)."""
        self._folder = folder
        self._signers = (snapshot_signer, timestamp_signer)
        self._counter = counter
        self.root = newest_root(folder)
        self._targets = self._load_targets()
        self._roles = self._load_roles()

    def components(self) -> tuple[str, ...]:
        return tuple(sorted(self._roles))

    def listed(self, component: str) -> Targets | None:
        """The current signed role of a component."""
        return self._roles.get(component)

    def signed(self, component: str, version: str) -> tuple[Signed, bytes]:
        """How a component's role is signed now, and its bytes. Raises NotFound."""
        name, role = role_name(component), self._roles.get(component)
        if role is None:
            raise NotFound("not_found", f"This fleet has no component {component!r}.")
        raw = (self._folder / f"{role.version}.{name}.json").read_bytes()
        metadata = Metadata[Targets].from_bytes(raw)
        found = self._targets.get_verification_result(name, metadata.signed_bytes, metadata.signatures)
        listed = target_path(component, version) in role.targets
        keys = tuple(sorted(found.signed))
        return Signed(name, role.version, role.expires.isoformat(), found.threshold, keys, listed), raw

    def accept(self, role_metadata: bytes, manifest: bytes, now: datetime) -> TargetNote:
        """Store a newer role that lists this manifest and sign again. What is listed already changes nothing."""
        target = release_target(manifest)
        note = note_of(parse_manifest(manifest))
        role = self._verified_role(role_metadata, note.component, now)
        if role.targets.get(target.path) != target:
            message = f"The signed role does not list this manifest of {note.component} {note.version}."
            raise UntrustedRelease("target_mismatch", message, "Sign the release again: `surefoot release sign`.")
        current = self._roles[note.component]
        if role.version <= current.version:
            _refuse_unless_listed(current, role, target)
            return note
        _refuse_changed(current, role)
        name = f"{role.version}.{role_name(note.component)}.json"
        write_durably(self._folder / name, role_metadata, mode=0o644)
        self._roles[note.component] = role
        self.sign(now)
        return note

    def due(self, now: datetime) -> bool:
        """True where snapshot or timestamp are missing, behind the offline files, or past half of their life."""
        snapshot, timestamp = self._snapshot(), self._timestamp()
        if snapshot is None or timestamp is None or timestamp.snapshot_meta.version != snapshot.version:
            return True
        if not self._signed_by_the_roots_keys():
            return True  # the root has other online keys since
        behind = {name: meta.version for name, meta in snapshot.meta.items()} != self._snapshot_files()
        return behind or min(snapshot.expires, timestamp.expires) - now < LIFETIME / 2

    def sign(self, now: datetime) -> None:
        """Sign snapshot and timestamp with new versions."""
        snapshot_signer, timestamp_signer = self._signers
        files = {name.removesuffix(".json"): version for name, version in self._snapshot_files().items()}
        version, expires = self._counter.next(), now + LIFETIME
        snapshot = sign(build_snapshot(version, expires, files), [snapshot_signer])
        timestamp = sign(build_timestamp(self._counter.next(), expires, version), [timestamp_signer])
        write_durably(self._folder / f"{version}.snapshot.json", snapshot, mode=0o644)
        write_durably(self._folder / "timestamp.json", timestamp, mode=0o644)
        for old in versions_of(self._folder, "snapshot"):
            if old != version:
                (self._folder / f"{old}.snapshot.json").unlink(missing_ok=True)

    def files_for(self, have: MetadataVersions, components: Collection[str]) -> dict[str, str]:
        """The files that a device lacks to verify releases of these components, and of those it has roles of."""
        snapshot = self._snapshot()
        assert snapshot is not None  # signed at start
        # New roots may have changed the keys of a file whose version stayed: then nothing of the device's counts.
        known = have if have.root == self.root.version else MetadataVersions(root=have.root)
        names = [*roots_after(self._folder, have.root), "timestamp.json"]
        if known.snapshot != snapshot.version:
            names.append(f"{snapshot.version}.snapshot.json")
        if known.targets != self._targets.version:
            names.append(f"{self._targets.version}.targets.json")
            known = MetadataVersions(root=have.root)  # likewise: the delegation may name new release keys
        wanted = set(components) | {role.removeprefix("rel-") for role in have.roles}
        for component in sorted(wanted & set(self._roles)):
            role, version = role_name(component), self._roles[component].version
            if known.roles.get(role) != version:
                names.append(f"{version}.{role}.json")
        return {name: (self._folder / name).read_text() for name in names}

    def timestamp_version(self) -> int:
        timestamp = self._timestamp()
        return timestamp.version if timestamp else 0

    def _verified_role(self, raw: bytes, component: str, now: datetime) -> Targets:
        name = role_name(component)
        if component not in self._roles:
            hint = f"Run `surefoot keys init DIR --component {component}` and restart the server with these keys."
            raise NotFound("not_found", f"This fleet has no component {component!r}.", hint)
        try:
            metadata = Metadata[Targets].from_bytes(raw)
            found = self._targets.get_verification_result(name, metadata.signed_bytes, metadata.signatures)
            if found.signed and not found.verified:
                message = f"The role {name} has {len(found.signed)} of {found.threshold} signatures."
                raise UntrustedRelease("signatures_missing", message)
            self._targets.verify_delegate(name, metadata.signed_bytes, metadata.signatures)
        except RepositoryError as error:
            raise UntrustedRelease("metadata_untrusted", f"The role {name} is not trusted: {error}") from error
        if metadata.signed.is_expired(now):
            raise UntrustedRelease("metadata_expired", f"The role {name} has expired.")
        return metadata.signed

    def _load_targets(self) -> Targets:
        path = latest(self._folder, "targets")
        if path is None:
            raise ConfigError("key_missing", f"{self._folder} holds no signed targets.")
        with _unreadable(path):
            metadata = Metadata[Targets].from_bytes(path.read_bytes())
            self.root.verify_delegate("targets", metadata.signed_bytes, metadata.signatures)
        return metadata.signed

    def _load_roles(self) -> dict[str, Targets]:
        roles = {}
        for component in delegated_components(self._targets):
            path = latest(self._folder, role_name(component))
            if path is None:
                raise ConfigError("key_missing", f"{self._folder} holds no signed role of {component}.")
            with _unreadable(path):
                metadata = Metadata[Targets].from_bytes(path.read_bytes())
                self._targets.verify_delegate(role_name(component), metadata.signed_bytes, metadata.signatures)
            roles[component] = metadata.signed
        return roles

    def expiring(self) -> dict[str, datetime]:
        """Until when each file that only offline keys can sign again is valid, by a name for people."""
        roles = {role_name(component): role for component, role in self._roles.items()}
        signed: dict[str, Root | Targets] = {"root": self.root, "targets": self._targets, **roles}
        return {f"image {name} {each.version}": each.expires for name, each in signed.items()}

    def _signed_by_the_roots_keys(self) -> bool:
        path = latest(self._folder, "snapshot")
        for role, file in (("snapshot", path), ("timestamp", self._folder / "timestamp.json")):
            assert file is not None  # the caller has read both
            metadata = Metadata[Snapshot].from_bytes(file.read_bytes())
            if not self.root.get_verification_result(role, metadata.signed_bytes, metadata.signatures):
                return False
        return True

    def _snapshot_files(self) -> dict[str, int]:
        roles = {f"{role_name(component)}.json": role.version for component, role in self._roles.items()}
        return {"targets.json": self._targets.version, **roles}

    def _snapshot(self) -> Snapshot | None:
        path = latest(self._folder, "snapshot")
        return Metadata[Snapshot].from_bytes(path.read_bytes()).signed if path else None

    def _timestamp(self) -> Timestamp | None:
        path = self._folder / "timestamp.json"
        return Metadata[Timestamp].from_bytes(path.read_bytes()).signed if path.exists() else None


def newest_root(folder: Path) -> Root:
    """Verify the chain of roots in a repository folder and return its end; raises ConfigError."""
    versions = versions_of(folder, "root")
    if not versions:
        raise ConfigError("key_missing", f"{folder} holds no signed root.")
    current: Root | None = None
    for version in versions:
        path = folder / f"{version}.root.json"
        with _unreadable(path):
            metadata = Metadata[Root].from_bytes(path.read_bytes())
            for delegator in (current, metadata.signed) if current else (metadata.signed,):
                delegator.verify_delegate("root", metadata.signed_bytes, metadata.signatures)
        current = metadata.signed
    assert current is not None  # versions is not empty
    return current


def roots_after(folder: Path, version: int) -> list[str]:
    return [f"{number}.root.json" for number in versions_of(folder, "root") if number > version]


@contextmanager
def _unreadable(path: Path) -> Iterator[None]:
    try:
        yield
    except RepositoryError as error:
        hint = "Restore the file from a backup, or install it from the keys folder again."
        raise ConfigError("config_invalid", f"{path} is not what the keys signed: {error}", hint) from error


def _refuse_unless_listed(current: Targets, role: Targets, target: TargetFile) -> None:
    if current.targets.get(target.path) != target:
        message = f"The role has version {role.version}; the server has {current.version} already."
        hint = "Sign the release again, so that its role lists what was published meanwhile."
        raise UntrustedRelease("metadata_rollback", message, hint)


def _refuse_changed(current: Targets, role: Targets) -> None:
    for path, target in current.targets.items():
        newer = role.targets.get(path)
        if newer is not None and path.startswith("releases/") and newer.hashes != target.hashes:
            raise Conflict("conflict", f"{path} was released with other bytes.", "Give the release a new version.")
