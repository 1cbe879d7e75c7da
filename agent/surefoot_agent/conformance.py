"""The seam for public conformance suites: init, refresh and download, by the client that a device verifies with.

Speaks the client protocol of theupdateframework/tuf-conformance: metadata lies unversioned in one folder as soon as
each file is verified, and success is the only answer. Surefoot's match rules are not applied, because repositories of
any make are read; expiry is judged by the system's clock. Refuses to be used for updates of the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from surefoot_agent.trust_http import HttpFetcher
from surefoot_shared.errors import ConfigError, UntrustedRelease
from surefoot_shared.trust.client import PUBLIC_LIMITS, Client
from surefoot_shared.trust.durable import write_durably

BOOTSTRAP = "bootstrap/root"
"""Where the first root is kept, as on a device: every refresh replays the chain from it. No `.json`, because a suite
lists those of the folder."""


def init(metadata_dir: Path, root: Path) -> None:
    """Take the first root on trust; asks nobody."""
    try:
        raw = root.read_bytes()
    except OSError as error:
        raise ConfigError("config_unreadable", f"The root {root} cannot be read: {error.strerror}.") from error
    _client(metadata_dir, "", raw)  # writes root.json once it has read it
    write_durably(metadata_dir / BOOTSTRAP, raw)


def refresh(metadata_dir: Path, metadata_url: str) -> Client:
    """Bring the top-level roles up to date. Raises UntrustedRelease."""
    try:
        bootstrap = (metadata_dir / BOOTSTRAP).read_bytes()
    except OSError as error:
        raise ConfigError("not_enrolled", f"{metadata_dir} has no first root.", "Run init first.") from error
    client = _client(metadata_dir, metadata_url, bootstrap)
    client.refresh(datetime.now(timezone.utc))
    return client


def download(metadata_dir: Path, metadata_url: str, names: Sequence[str], base_url: str, target_dir: Path) -> None:
    """Refresh once, then fetch each artifact that is not there already; the first failure ends it."""
    client = refresh(metadata_dir, metadata_url)
    for name in names:
        target = client.target(name)
        if target is None:
            raise UntrustedRelease("not_released", f"No role of the repository lists {name[:200]!r}.")
        client.fetch(target, base_url, target_dir)


def _client(metadata_dir: Path, metadata_url: str, bootstrap: bytes) -> Client:
    return Client("public", metadata_dir, metadata_url, HttpFetcher(), bootstrap, PUBLIC_LIMITS)
