"""A client of one TUF repository: python-tuf's, with our clock, our limits and our errors.

The only module that touches python-tuf's private parts (the trusted set and its reference time, for which the library
has no argument). Where the bytes come from is the fetcher's business: a bundle on a device, HTTP in `surefoot-agent
trust`, so a public conformance suite tests the very code that a device runs. Persistence is python-tuf's, file by file
as each is verified, and not durable yet: whoever relies on it syncs the folder, once, also when a refresh failed
half-way. Every failure leaves as UntrustedRelease with a stable kind, or ConfigError where the first root is unusable.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from tuf.api import exceptions as tuf_errors
from tuf.api.metadata import Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from surefoot_shared.errors import ConfigError, UntrustedRelease
from surefoot_shared.trust.fetcher import ForeignFile

DEVICE_LIMITS = UpdaterConfig(
    max_delegations=4,  # top level, one role per component, and room for one more level
    root_max_length=64_000,
    timestamp_max_length=16_384,
    snapshot_max_length=64_000,
    targets_max_length=400_000,  # a role of 1,000 releases
)
PUBLIC_LIMITS = UpdaterConfig()
"""For repositories of any make: python-tuf's own bounds, which public conformance suites are written for."""


class Client:
    """One refresh of one repository; `name` is what errors call it. Make a new one for the next refresh."""

    def __init__(
        self,
        name: str,
        folder: Path,
        base_url: str,
        fetcher: FetcherInterface,
        bootstrap: bytes,
        limits: UpdaterConfig = DEVICE_LIMITS,
    ) -> None:
        """Load the first root, ask nobody, sync nothing yet; raises ConfigError where the root is unusable."""
        self._name = name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with translated(name):
            try:
                self._updater = Updater(str(folder), base_url, fetcher=fetcher, config=limits, bootstrap=bootstrap)
            except tuf_errors.RepositoryError as error:
                message = f"The {name} root that this device was given cannot be used: {error}"
                raise ConfigError("config_invalid", message, "Enrol the device again.") from error
        self._trusted = self._updater._trusted_set

    def refresh(self, now: datetime) -> None:
        """Bring the top-level roles up to date; expiry is judged at `now`."""
        self._trusted.reference_time = now
        with translated(self._name):
            self._updater.refresh()

    def target(self, path: str) -> TargetFile | None:
        """Return the entry that the delegated roles sign, or None; fetches the roles on the way."""
        with translated(self._name):
            return self._updater.get_targetinfo(path)

    def fetch(self, target: TargetFile, base_url: str, folder: Path) -> Path:
        """Return the target's file in `folder`, fetched unless it is there already; for files of a few megabytes."""
        path = str(folder / quote(target.path, ""))  # one flat name for one target: no path leads out of the folder
        with translated(self._name):
            cached = self._updater.find_cached_target(target, path)
            return Path(cached or self._updater.download_target(target, path, base_url))

    def role(self, name: str) -> Targets | None:
        """Return a delegated role that was loaded on the way to a target, or None."""
        found = self._trusted.get(name)
        return found if isinstance(found, Targets) else None

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


@contextmanager
def translated(repository: str) -> Iterator[None]:
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
