"""Which metadata a device holds, read without python-tuf so that the long-lived agent process stays small.

The answer only tells the server what it need not send again. A file that is missing, torn or too large counts as not
held, so a damaged cache heals with the next hello; nothing is trusted because it was counted here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from surefoot_shared.notes import MetadataVersions
from surefoot_shared.trust.fields import DIRECTOR, IMAGE

_LIMIT_BYTES = 512 * 1024


def metadata_versions(trust_folder: Path) -> tuple[MetadataVersions, MetadataVersions]:
    """Return (image, director)."""
    return _held(trust_folder, IMAGE), _held(trust_folder, DIRECTOR)


def _held(trust_folder: Path, repository: str) -> MetadataVersions:
    folder = trust_folder / repository
    return MetadataVersions(
        root=_root_version(trust_folder / "bootstrap" / f"{repository}.root.json", folder / "root_history"),
        timestamp=_version(folder / "timestamp.json"),
        snapshot=_version(folder / "snapshot.json"),
        targets=_version(folder / "targets.json"),
        roles=dict(_roles(folder)),
    )


def _root_version(bootstrap: Path, history: Path) -> int:
    """The end of the unbroken chain: python-tuf replays it from the bootstrap root, and a torn link ends it."""
    version = _version(bootstrap)
    while version and _version(history / f"{version + 1}.root.json") == version + 1:
        version += 1
    return version


def _roles(folder: Path) -> Iterator[tuple[str, int]]:
    for path in sorted(folder.glob("rel-*.json")):
        if version := _version(path):
            yield path.stem, version


def _version(path: Path) -> int:
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            return 0
        version = json.loads(path.read_bytes())["signed"]["version"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0
    return version if isinstance(version, int) and not isinstance(version, bool) and version > 0 else 0
