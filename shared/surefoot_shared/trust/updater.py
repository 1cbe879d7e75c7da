"""Bring one repository up to date from a bundle, with python-tuf, the guard, the time floor and the version floors.

The only module that touches python-tuf's private parts (the trusted set and its reference time, for which the library
has no argument). Persistence is python-tuf's, file by file as each is verified, then fsynced here, also when the
refresh failed half-way: what was verified stays known. Every failure leaves as UntrustedRelease with a stable kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuf.api import exceptions as tuf_errors
from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError
from tuf.ngclient import Updater, UpdaterConfig

from surefoot_shared.errors import ConfigError, UntrustedRelease
from surefoot_shared.messages import MetadataVersions
from surefoot_shared.trust.clock import EPOCH, TrustedTime, parse_time, trusted_time
from surefoot_shared.trust.durable import sync_tree
from surefoot_shared.trust.fetcher import ForeignFile, GuardedFetcher
from surefoot_shared.trust.fields import X_REPO, X_SIGNED_AT
from surefoot_shared.trust.floors import Floors, Seen

LIMITS = UpdaterConfig(
    max_delegations=4,  # top level, one role per component, and room for one more level
    root_max_length=64_000,
    timestamp_max_length=16_384,
    snapshot_max_length=64_000,
    targets_max_length=400_000,  # a role of 1,000 releases
)


@dataclass(frozen=True, slots=True)
class Source:
    """What a refresh starts from. `device` is given for the director, whose files belong to one device."""

    repository: str
    folder: Path
    files: Mapping[str, str]
    device: str | None
    bootstrap: bytes


def read_bootstrap(trust_folder: Path, repository: str) -> bytes:
    """Return the baked root; raises ConfigError(not_enrolled)."""
    try:
        return (trust_folder / "bootstrap" / f"{repository}.root.json").read_bytes()
    except FileNotFoundError as error:
        raise ConfigError("not_enrolled", f"This device has no {repository} root to start trust from.") from error


class Refreshed:
    """One repository, verified at one moment. `time` is what expiry was checked against."""

    def __init__(self, source: Source, floors: Floors, system_now: datetime) -> None:
        """Refresh; raises UntrustedRelease, or ConfigError where the bootstrap root itself is unusable."""
        self._source = source
        with _durable(source.folder), _translated(source.repository):
            self._updater = _updater(source)
            self._trusted = self._updater._trusted_set
            baked = parse_time(self._trusted.root.unrecognized_fields.get(X_SIGNED_AT)) or EPOCH
            self.time: TrustedTime = trusted_time(system_now, parse_time(floors.time) or EPOCH, baked)
            self._trusted.reference_time = self.time.at
            self._updater.refresh()
        self._refuse_other_repository()
        self.seen = self._refuse_older(floors)

    @property
    def root(self) -> Root:
        return self._trusted.root

    @property
    def timestamp(self) -> Timestamp:
        return self._trusted.timestamp

    @property
    def snapshot(self) -> Snapshot:
        return self._trusted.snapshot

    @property
    def targets(self) -> Targets:
        return self._trusted.targets

    def target(self, path: str) -> TargetFile | None:
        """Return the entry that the delegated release keys signed, or None; raises UntrustedRelease."""
        with _durable(self._source.folder), _translated(self._source.repository):
            return self._updater.get_targetinfo(path)

    def versions(self, roles: Mapping[str, int]) -> MetadataVersions:
        return MetadataVersions(
            root=self.root.version,
            timestamp=self.timestamp.version,
            snapshot=self.snapshot.version,
            targets=self.targets.version,
            roles=roles,
        )

    def _refuse_other_repository(self) -> None:
        name = self.root.unrecognized_fields.get(X_REPO)
        if name != self._source.repository:
            message = f"The {self._source.repository} root names repository {str(name)[:40]!r}."
            raise UntrustedRelease("wrong_repository", message)

    def _refuse_older(self, floors: Floors) -> dict[str, Seen]:
        """python-tuf forgets a version where its file was torn; the floors do not."""
        repository, seen = self._source.repository, {}
        for role, version in (
            (Root.type, self.root.version),
            (Timestamp.type, self.timestamp.version),
            (Snapshot.type, self.snapshot.version),
        ):
            name = f"{repository}.{role}"
            # New keys start a new count (TUF 5.3.11: recovery from fast-forward); the root itself never goes back.
            now = Seen(version, "" if role == Root.type else _fingerprint(self.root, role))
            before = floors.seen.get(name)
            if before and before.keys == now.keys and before.version > version:
                message = f"{name} has version {version}; this device has verified {before.version}."
                raise UntrustedRelease("metadata_rollback", message)
            seen[name] = now
        return seen


def trusted_root(trust_folder: Path, repository: str) -> Root:
    """Replay the stored chain of roots from the bootstrap root, verifying each link; asks nobody for newer ones.

    Expiry of the root is not checked: it serves to check the halt list, and an expired trust can at most halt.
    """

    with _translated(repository):
        current = Metadata[Root].from_bytes(read_bootstrap(trust_folder, repository))
        current.signed.verify_delegate(Root.type, current.signed_bytes, current.signatures)
        while True:
            path = trust_folder / repository / "root_history" / f"{current.signed.version + 1}.root.json"
            try:
                newer = Metadata[Root].from_bytes(path.read_bytes())
            except (OSError, tuf_errors.RepositoryError):
                return current.signed  # absent, or torn by a power cut: the chain ends here
            for delegator in (current.signed, newer.signed):
                delegator.verify_delegate(Root.type, newer.signed_bytes, newer.signatures)
            current = newer


def _updater(source: Source) -> Updater:
    source.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fetcher = GuardedFetcher(source.files, source.repository, source.device)
    base = f"bundle://{source.repository}/"
    try:
        return Updater(str(source.folder), base, fetcher=fetcher, config=LIMITS, bootstrap=source.bootstrap)
    except tuf_errors.RepositoryError as error:
        message = f"The {source.repository} root that this device was given cannot be used: {error}"
        raise ConfigError("config_invalid", message, "Enrol the device again.") from error


def _fingerprint(root: Root, role: str) -> str:
    keyids = ",".join(sorted(root.roles[role].keyids))
    return hashlib.sha256(keyids.encode()).hexdigest()[:16]


@contextmanager
def _durable(folder: Path) -> Iterator[None]:
    try:
        yield
    finally:
        sync_tree(folder)


@contextmanager
def _translated(repository: str) -> Iterator[None]:
    """Turn python-tuf's errors into ours."""
    try:
        yield
    except ForeignFile as error:
        raise UntrustedRelease(error.kind, str(error)) from error
    except tuf_errors.ExpiredMetadataError as error:
        raise UntrustedRelease("metadata_expired", f"The {repository} metadata has expired: {error}") from error
    except tuf_errors.BadVersionNumberError as error:
        raise UntrustedRelease("metadata_rollback", f"The {repository} metadata does not move on: {error}") from error
    except (tuf_errors.DownloadError, DeserializationError) as error:
        message = f"A file of the {repository} metadata is missing, too large or unreadable: {error}"
        raise UntrustedRelease("bundle_malformed", message) from error
    except tuf_errors.RepositoryError as error:
        raise UntrustedRelease("metadata_untrusted", f"The {repository} metadata is not trusted: {error}") from error
