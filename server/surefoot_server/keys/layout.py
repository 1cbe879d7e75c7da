"""Where the keys of a fleet lie. `offline/` belongs on a stick in a safe; the server is given the rest.

    DIR/offline/     image-root, image-targets, image-release, director-root (.pem, encrypted with the passphrase)
    DIR/online/      image-snapshot, image-timestamp, director, halt (.pem, 0600), ca.key, ca.pem
    DIR/repository/  image/ and director/: metadata that the offline keys signed, under its TUF file names
    DIR/bootstrap/   image.root.json, director.root.json, ca.pem: what is baked into agents

Only names: it reads and writes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

IMAGE_ROOT = "image-root"
IMAGE_TARGETS = "image-targets"
IMAGE_RELEASE = "image-release"
DIRECTOR_ROOT = "director-root"
OFFLINE = (IMAGE_ROOT, IMAGE_TARGETS, IMAGE_RELEASE, DIRECTOR_ROOT)

IMAGE_SNAPSHOT = "image-snapshot"
IMAGE_TIMESTAMP = "image-timestamp"
DIRECTOR_KEY = "director"
HALT_KEY = "halt"
ONLINE = (IMAGE_SNAPSHOT, IMAGE_TIMESTAMP, DIRECTOR_KEY, HALT_KEY)

_VERSIONED = re.compile(r"([1-9][0-9]*)\.([a-z0-9_-]+)\.json")


@dataclass(frozen=True, slots=True)
class KeyFolder:
    root: Path

    @property
    def offline(self) -> Path:
        return self.root / "offline"

    @property
    def online(self) -> Path:
        return self.root / "online"

    @property
    def image(self) -> Path:
        return self.root / "repository" / "image"

    @property
    def director(self) -> Path:
        return self.root / "repository" / "director"

    @property
    def bootstrap(self) -> Path:
        return self.root / "bootstrap"


def key_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.pem"


def versions_of(folder: Path, role: str) -> list[int]:
    """The versions of `N.ROLE.json` in a repository folder, lowest first."""
    return sorted(number for number, name in _versioned(folder) if name == role)


def latest(folder: Path, role: str) -> Path | None:
    versions = versions_of(folder, role)
    return folder / f"{versions[-1]}.{role}.json" if versions else None


def _versioned(folder: Path) -> list[tuple[int, str]]:
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return [(int(found[1]), found[2]) for name in names if (found := _VERSIONED.fullmatch(name))]
