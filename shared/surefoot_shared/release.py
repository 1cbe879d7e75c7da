"""The release manifest: what a release is, file by file or block by block, how it is started, and what it must prove.

The manifest's sha256 is the release's digest everywhere (wire, database, slots, console). It is itself a TUF target, so
whoever holds verified metadata can check every byte of a release from any source. Format 1; golden file in tests.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from surefoot_shared import wire
from surefoot_shared.errors import Invalid, UntrustedRelease
from surefoot_shared.image import Image
from surefoot_shared.paths import check_tree_path, refuse_twins

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}")
SHA256 = re.compile(r"[0-9a-f]{64}")
MANIFEST_LIMIT_BYTES = 16 * 1024 * 1024
"""About 100,000 files, or an image of 22 GiB in blocks of 64 KiB."""


class SlotKind(str, Enum):
    TREE = "tree"
    IMAGE = "image"


class CheckKind(str, Enum):
    PROCESS = "process"
    HTTP = "http"
    CAMERA = "camera"
    TCP = "tcp"
    METRIC = "metric"
    COMMAND = "command"
    UNIT = "unit"
    UPLINK = "uplink"


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One regular file: `path` relative with forward slashes, `mode` 0o644 or 0o755, size in bytes."""

    path: str
    mode: int
    size: int
    sha256: str

    def __post_init__(self) -> None:
        check_tree_path(self.path)
        if self.mode not in (0o644, 0o755):
            raise ValueError(f"{self.path}: mode {self.mode:o} is not 644 or 755")
        if self.size < 0 or not SHA256.fullmatch(self.sha256):
            raise ValueError(f"{self.path}: size or sha256 is malformed")


@dataclass(frozen=True)
class HealthCheck:
    """One check. `k` of the last `n` results must pass; `required` ones decide, wanted ones are reported.

    What `params` may hold is in `surefoot_shared.checks`, kind by kind.
    """

    name: str
    kind: CheckKind
    required: bool = True
    interval_s: float = 1.0
    timeout_s: float = 2.0
    k: int = 1
    n: int = 1
    params: Mapping[str, str | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"check name {self.name!r} is malformed")
        if not 1 <= self.k <= self.n <= 100 or not 0 < self.timeout_s <= 300 or not 0 < self.interval_s <= 300:
            raise ValueError(f"check {self.name}: k, n, interval_s or timeout_s is out of range")


@dataclass(frozen=True)
class Probation:
    """startup_s: failures do not count yet. steady: passes in a row that end startup. soak_s: minutes, never hours."""

    startup_s: float = 30.0
    steady: int = 3
    soak_s: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.startup_s <= 1800:
            raise ValueError(f"probation: startup_s is {self.startup_s:g}; allowed is above 0 to 1800 s")
        if not 1 <= self.steady <= 100:
            raise ValueError(f"probation: steady is {self.steady}; allowed is 1 to 100 passes in a row")
        if not 0 <= self.soak_s <= 3600:
            raise ValueError(f"probation: soak_s is {self.soak_s:g}; allowed is 0 to 3600 s")


def _check_words(of: str, argv: tuple[str, ...]) -> None:
    """A command that no device could start is no command: it would fail where it is started, again and again."""
    check_tree_path(argv[0])
    if any("\0" in word for word in argv):
        raise ValueError(f"{of}: a word of a command holds a NUL")


@dataclass(frozen=True)
class Application:
    """How the device starts the component. argv[0] is a path inside the tree; the directory is the slot."""

    argv: tuple[str, ...]
    stop_s: float = 5.0
    """Seconds between SIGTERM and SIGKILL."""
    shadow: bool = field(default=False, metadata=wire.LATER)
    """It knows SUREFOOT_SHADOW: beside the live release it opens no camera, acts on nothing and tells nobody."""

    def __post_init__(self) -> None:
        if not self.argv or not 0 < self.stop_s <= 300:
            raise ValueError("application: argv is empty or stop_s is out of range")
        _check_words("application", self.argv)


@dataclass(frozen=True)
class DataHandling:
    """What an update does with the application's data. Each command begins with a path inside the tree, or is empty.

    `forward` runs before the release is started for the first time, `backward` where the device leaves the release for
    the one before it, `irreversible` once after the commit, beside the running application. Each may run twice.
    """

    snapshot: bool = True
    """Keep a copy of the data as they were; it is put back where the release is reverted."""
    forward: tuple[str, ...] = ()
    backward: tuple[str, ...] = ()
    irreversible: tuple[str, ...] = ()
    timeout_s: float = 300.0
    """Of each command; then it is killed and counts as failed."""

    def __post_init__(self) -> None:
        for argv in self.commands:
            _check_words("data", argv)
        if self.forward and not self.snapshot:
            raise ValueError("data: a forward migration needs snapshot = true, the way back that needs no code")
        if not 0 < self.timeout_s <= 3600:
            raise ValueError("data: timeout_s is out of range")

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        return tuple(argv for argv in (self.forward, self.backward, self.irreversible) if argv)


@dataclass(frozen=True)
class Manifest:
    component: str
    version: str
    counter: int
    svn: int
    hw: tuple[str, ...]
    files: tuple[TreeFile, ...]
    application: Application | None = None
    checks: tuple[HealthCheck, ...] = ()
    probation: Probation = Probation()
    slot: SlotKind = SlotKind.TREE
    notes: str = ""
    v: int = 1
    image: Image | None = field(default=None, metadata=wire.LATER)
    data: DataHandling | None = field(default=None, metadata=wire.LATER)
    sbom: str | None = field(default=None, metadata=wire.LATER)
    """sha256 of the bill of materials, a document that devices never fetch."""

    def __post_init__(self) -> None:
        if self.data and self.slot is not SlotKind.TREE:
            raise ValueError("data: only a tree has commands to run and data that are kept for it")
        if not NAME.fullmatch(self.component) or not VERSION.fullmatch(self.version):
            raise ValueError("component or version is malformed")
        if self.sbom is not None and not SHA256.fullmatch(self.sbom):
            raise ValueError("sbom is no sha256")
        if self.counter < 1 or self.svn < 0 or not self.hw:
            raise ValueError("counter, svn or hw is malformed")
        if (self.slot is SlotKind.IMAGE) is not (self.image is not None):
            raise ValueError("an image, and nothing else, has a block index")
        if self.image and (self.files or self.application):
            raise ValueError("an image has no files of its own and no application to start")
        refuse_twins(file.path for file in self.files)

    @property
    def installed_size_bytes(self) -> int:
        return self.image.size_bytes if self.image else sum(f.size for f in self.files)

    @property
    def inodes(self) -> int:
        folders = {parent for f in self.files for parent in _parents(f.path)}
        return len(self.files) + len(folders)

    @property
    def blobs(self) -> Mapping[str, int]:
        """What must be fetched to have it all: sha256 → size in bytes."""
        if self.image:
            return {blob.sha256: blob.size_bytes for blob in self.image.index().blobs()}
        return {f.sha256: f.size for f in self.files}


def manifest_bytes(manifest: Manifest) -> bytes:
    return wire.encode(manifest)


def parse_manifest(raw: bytes, known: Iterable[TreeFile] = ()) -> Manifest:
    """Parse verified manifest bytes; raises UntrustedRelease(manifest_malformed).

    Files that are in `known`, those of another release, are in memory once for both.
    """
    held = {file: file for file in known}
    try:
        early = wire.early_of(TreeFile, lambda file: held.get(file, file))
        return wire.decode(Manifest, raw, MANIFEST_LIMIT_BYTES, early)
    except Invalid as error:
        raise UntrustedRelease("manifest_malformed", f"The manifest cannot be read: {error.message}") from error


def digest_of(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def target_path(component: str, version: str) -> str:
    """The manifest's name in both TUF repositories."""
    return f"releases/{component}/{version}/manifest.json"


def role_name(component: str) -> str:
    """The delegated TUF role (product line) that signs releases of a component."""
    return f"rel-{component}"


@dataclass(frozen=True)
class TargetNote:
    """The `custom` object of an image target: what a device must know before it fetches the manifest."""

    component: str
    version: str
    counter: int
    svn: int
    hw: tuple[str, ...]
    slot: SlotKind
    installed_size_bytes: int
    inodes: int
    v: int = 1


def note_of(manifest: Manifest) -> TargetNote:
    return TargetNote(
        component=manifest.component,
        version=manifest.version,
        counter=manifest.counter,
        svn=manifest.svn,
        hw=manifest.hw,
        slot=manifest.slot,
        installed_size_bytes=manifest.installed_size_bytes,
        inodes=manifest.inodes,
    )


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]
