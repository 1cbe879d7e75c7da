"""Where the keys of a fleet lie. `offline/` belongs on a stick in a safe; the server is given the rest.

    DIR/offline/     image-root, image-targets, image-release, director-root (.pem, encrypted with the passphrase);
                     image-root-1, image-root-2 … where a role has several keys
    DIR/online/      image-snapshot, image-timestamp, director, halt (.pem, 0600), ca.key, ca.pem
    DIR/repository/  image/ and director/: metadata that the offline keys signed, under its TUF file names
    DIR/bootstrap/   image.root.json, director.root.json, ca.pem: what is baked into agents
    DIR/builders/    public keys (.pem) whose word counts about how a release was built; the operator lays them there
    DIR/pending/     rotation.json, which lacks signatures, and the online keys that come into force with it
    DIR/keys.toml    signers that are no files of offline/ and online/: PKCS#11, Vault, cloud KMS

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

RETIRED_HALT = "halt-retired"
"""The halt key before the last planned rotation: halt lists carry its signature too, for devices with the old root."""

ONLINE_OF = {"image": (IMAGE_SNAPSHOT, IMAGE_TIMESTAMP), "director": (DIRECTOR_KEY, HALT_KEY)}
"""Repository → the keys that the server signs it with."""

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
    def repository(self) -> Path:
        return self.root / "repository"

    @property
    def image(self) -> Path:
        return self.repository / "image"

    @property
    def director(self) -> Path:
        return self.repository / "director"

    @property
    def bootstrap(self) -> Path:
        return self.root / "bootstrap"

    @property
    def builders(self) -> Path:
        return self.root / "builders"

    @property
    def pending(self) -> Path:
        return self.root / "pending"

    @property
    def rotation(self) -> Path:
        return self.pending / "rotation.json"


def key_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.pem"


def key_names(role: str, count: int) -> tuple[str, ...]:
    """`image-root` where it is alone, `image-root-1` to `image-root-5` where there are several."""
    return (role,) if count == 1 else tuple(f"{role}-{number}" for number in range(1, count + 1))


def number_of(name: str, role: str) -> int | None:
    """The number of a key that is called after its role; 1 for the bare name, None for any other name."""
    if name == role:
        return 1
    found = re.fullmatch(re.escape(role) + r"-([1-9][0-9]*)", name)
    return int(found[1]) if found else None


def versions_of(folder: Path, role: str) -> list[int]:
    """The versions of `N.ROLE.json` in a repository folder, lowest first."""
    return sorted(number for number, name in _versioned(folder) if name == role)


def latest(folder: Path, role: str) -> Path | None:
    versions = versions_of(folder, role)
    return folder / f"{versions[-1]}.{role}.json" if versions else None


def _versioned(folder: Path) -> list[tuple[int, str]]:
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return [(int(found[1]), found[2]) for name in names if (found := _VERSIONED.fullmatch(name))]
