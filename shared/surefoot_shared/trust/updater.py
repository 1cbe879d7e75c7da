"""Bring one repository up to date from a bundle: the client, the guard, the time floor and the version floors.

What the client (python-tuf) forgets where a file was torn, the floors remember; what is validly signed but belongs to
another repository or device is dropped before it is seen. Every failure leaves as UntrustedRelease with a stable kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuf.api import exceptions as tuf_errors
from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp

from surefoot_shared.errors import ConfigError, UntrustedRelease
from surefoot_shared.notes import MetadataVersions
from surefoot_shared.trust.client import Client, translated
from surefoot_shared.trust.clock import EPOCH, TrustedTime, parse_time, trusted_time
from surefoot_shared.trust.fetcher import GuardedFetcher
from surefoot_shared.trust.fields import DIRECTOR, X_HALT, X_REPO, X_SIGNED_AT
from surefoot_shared.trust.floors import Floors, Seen


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

    def __init__(self, source: Source, floors: Floors, system_now: datetime, answered: datetime | None = None) -> None:
        """Refresh; raises UntrustedRelease, or ConfigError where the bootstrap root itself is unusable.

        `answered` is when the director answered this device's nonce: it is believed over a clock that is ahead of it.
        """
        self._source = source
        fetcher = GuardedFetcher(source.files, source.repository, source.device)
        base = f"bundle://{source.repository}/"
        self._client = Client(source.repository, source.folder, base, fetcher, source.bootstrap)
        baked = parse_time(self.root.unrecognized_fields.get(X_SIGNED_AT)) or EPOCH
        floor = floors.time_by(_teller(source, floors))
        self.time: TrustedTime = trusted_time(system_now, floor, baked)
        if answered is not None and answered < self.time.at:
            self.time = TrustedTime(max(answered, floor, baked), "nonce")
        self._client.refresh(self.time.at)
        self._refuse_other_repository()
        self.seen = self._refuse_older(floors)

    @property
    def root(self) -> Root:
        return self._client.root

    @property
    def timestamp(self) -> Timestamp:
        return self._client.timestamp

    @property
    def snapshot(self) -> Snapshot:
        return self._client.snapshot

    @property
    def targets(self) -> Targets:
        return self._client.targets

    def target(self, path: str) -> TargetFile | None:
        """Return the entry that the delegated release keys signed, or None; raises UntrustedRelease."""
        return self._client.target(path)

    def role(self, name: str) -> Targets | None:
        """Return a release role that was loaded by `target`, or None."""
        return self._client.role(name)

    def seen_role(self, name: str, floors: Floors) -> dict[str, Seen]:
        """Return the version of a release role that was loaded; raises UntrustedRelease where a newer one was seen.

        python-tuf compares with the snapshot before, which a power cut may have torn; a thief of the snapshot's key
        could then bring back a role that still lists what was withdrawn.
        """
        role = self.role(name)
        if role is None:
            return {}
        keys = key_print(self.targets.get_delegated_role(name).keyids)
        return _not_older(floors, f"{self._source.repository}.{name}", Seen(role.version, keys))

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
        repository, seen = self._source.repository, dict[str, Seen]()
        for role, version in (
            (Root.type, self.root.version),
            (Timestamp.type, self.timestamp.version),
            (Snapshot.type, self.snapshot.version),
            (Targets.type, self.targets.version),
        ):
            # New keys start a new count (TUF 5.3.11: recovery from fast-forward); the root itself never goes back.
            now = Seen(version, "" if role == Root.type else key_print(self.root.roles[role].keyids))
            seen |= _not_older(floors, f"{repository}.{role}", now)
        return seen


def trusted_root(trust_folder: Path, repository: str) -> Root:
    """Replay the stored chain of roots from the bootstrap root, verifying each link; asks nobody for newer ones.

    Expiry of the root is not checked: it serves to check the halt list, and an expired trust can at most halt.
    """

    with translated(repository):
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


def _teller(source: Source, floors: Floors) -> str:
    """Whose time the floor may be: the director's keys of the newest root that is stored. The image root names none."""
    if source.repository == DIRECTOR:
        with suppress(UntrustedRelease):  # a stored chain that was tampered with: python-tuf has its say about it
            return time_keys(trusted_root(source.folder.parent, DIRECTOR))
    return floors.time_keys


def time_keys(director_root: Root) -> str:
    """Who tells the time: those who sign the director's timestamps."""
    return key_print(director_root.roles[Timestamp.type].keyids)


def halt_keys(director_root: Root) -> str:
    """Who signs the halt list; call it once a list was verified against this root."""
    return key_print(director_root.unrecognized_fields[X_HALT]["keyids"])


def key_print(keyids: Collection[str]) -> str:
    """A short name for a set of keys."""
    return hashlib.sha256(",".join(sorted(keyids)).encode()).hexdigest()[:16]


def _not_older(floors: Floors, name: str, now: Seen) -> dict[str, Seen]:
    before = floors.seen.get(name)
    if before and before.keys == now.keys and before.version > now.version:
        message = f"{name} has version {now.version}; this device has verified {before.version}."
        raise UntrustedRelease("metadata_rollback", message)
    return {name: now}
