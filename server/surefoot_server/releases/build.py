"""`surefoot release build`: a folder or an image becomes a release folder: manifest.json and blobs/<sha256>.

Deterministic: the same bytes and the same recipe give the same manifest bytes, hence the same digest, on every machine.
The release folder appears whole or not at all; nothing is signed here and nothing leaves the machine.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from surefoot_server.findings.bill import parse as parse_bill
from surefoot_server.releases.forms import FORMS, make_forms
from surefoot_server.releases.image import read_image
from surefoot_server.releases.payload import refuse_unfit
from surefoot_server.releases.recipe import Recipe
from surefoot_server.releases.tree import Progress, read_tree
from surefoot_shared import checks
from surefoot_shared.errors import Conflict, Invalid, UntrustedRelease
from surefoot_shared.image import Image
from surefoot_shared.pack import ZSTD_SUFFIX
from surefoot_shared.release import Manifest, SlotKind, TreeFile, digest_of, manifest_bytes, parse_manifest

MANIFEST_FILE = "manifest.json"
ROLE_FILE = "role.json"
TARGETS_FILE = "targets.json"
BLOBS = "blobs"
DOCUMENTS = "documents"
"""What belongs to a release and no device fetches."""
PIECE_BYTES = 1024 * 1024
"""What is held of a file while it is read: a model may be larger than the memory."""


@dataclass(frozen=True, slots=True)
class ReleaseFolder:
    """A built release on disk; `digest` is the sha256 of its manifest."""

    folder: Path
    manifest: Manifest
    raw: bytes

    @property
    def digest(self) -> str:
        return digest_of(self.raw)

    def blob(self, sha256: str) -> Path:
        return self.folder / BLOBS / sha256

    def documents(self) -> dict[str, Path]:
        """sha256 → file."""
        sbom = self.manifest.sbom
        return {sbom: self.folder / DOCUMENTS / sbom} if sbom else {}

    def forms(self) -> dict[str, Path]:
        """Compressed forms of the release's blobs: name → file."""
        made = {path.name: path for path in (self.folder / FORMS).glob("*")}
        wanted = {f"{sha256}{ZSTD_SUFFIX}" for sha256 in self.manifest.blobs}
        return {name: made[name] for name in sorted(made.keys() & wanted)}


def build_release(
    source: Path,
    recipe: Recipe,
    out: Path,
    progress: Progress = lambda done, total: None,
    compressing: Progress | None = None,
    sbom: bytes | None = None,
) -> ReleaseFolder:
    """Read `source`, a folder or the file of an image, and write the release to `out` (new).

    `sbom` is a bill of materials (CycloneDX); its digest is signed with the manifest.
    Where `compressing` is given, the blobs are compressed as well, beside the release, and it is told how far that is.
    Raises Invalid naming what is wrong, or Conflict.
    """
    if out.exists():
        raise Conflict("conflict", f"{out} exists already.", "Give a new folder; a release is built once.")
    if out.resolve().is_relative_to(source.resolve()):
        why = f"{out} lies inside {source}: the release would contain itself."
        raise Invalid("malformed", why, "Give another folder.")
    try:
        return _build(source, recipe, out, progress, compressing, sbom)
    except OSError as error:
        raise _of_the_disk(error, out) from error


def _build(
    source: Path, recipe: Recipe, out: Path, progress: Progress, compressing: Progress | None, sbom: bytes | None
) -> ReleaseFolder:
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        (fresh / BLOBS).mkdir()
        manifest = _read(source, recipe, fresh / BLOBS, progress)
        if sbom is not None:
            manifest = replace(manifest, sbom=_keep(sbom, fresh))
        (fresh / MANIFEST_FILE).write_bytes(_readable(manifest_bytes(manifest)))
        if compressing:
            make_forms(fresh, sorted(path.name for path in (fresh / BLOBS).iterdir()), compressing)
        fresh.chmod(0o755)  # mkdtemp makes it private, but a release is no secret
        os.replace(fresh, out)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return read_release(out)


def _of_the_disk(error: OSError, out: Path) -> Invalid:
    """What a file that may not be read, a folder that may not be written or a full disk is for people."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        why = f"The disk became full while {out} was made; nothing of it was left."
        return Invalid("no_space", why, "Free space there, or give a folder on another disk.")
    name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else str(out)
    why = f"{name} cannot be read or written: {error.strerror}."
    return Invalid("malformed", why, "Mend that, then build the release again.")


def _readable(raw: bytes) -> bytes:
    """Return the manifest, or raise Invalid where no device would take it: such a folder is not made."""
    try:
        parse_manifest(raw)
    except UntrustedRelease as error:
        raise Invalid("malformed", error.message, "Correct the value, then build the release again.") from error
    return raw


def _keep(sbom: bytes, folder: Path) -> str:
    parse_bill(sbom)
    sha256 = digest_of(sbom)
    (folder / DOCUMENTS).mkdir()
    (folder / DOCUMENTS / sha256).write_bytes(sbom)
    return sha256


def _read(source: Path, recipe: Recipe, blobs: Path, progress: Progress) -> Manifest:
    if source.is_dir() or not source.exists():
        files = read_tree(source, blobs, progress)
        refuse_unfit(recipe.component, files, blobs)
        return _manifest(recipe, files)
    if recipe.application:
        why = "An image has no [application]: what it starts is its own affair."
        raise Invalid("malformed", why, "Take [application] out of the recipe, or build a folder.")
    return _manifest(recipe, (), read_image(source, blobs, progress))


def read_release(folder: Path) -> ReleaseFolder:
    """Load a release folder. Raises Invalid where it is none, UntrustedRelease where a file is not what was built."""
    try:
        raw = (folder / MANIFEST_FILE).read_bytes()
        manifest = parse_manifest(raw)
    except OSError as error:
        raise Invalid("malformed", f"{folder} is not a release folder: it has no {MANIFEST_FILE}.") from error
    except UntrustedRelease as error:
        raise Invalid("malformed", error.message, "Build the release again.") from error
    release = ReleaseFolder(folder, manifest, raw)
    for sha256, size in manifest.blobs.items():
        blob = release.blob(sha256)
        if not blob.is_file():
            why = f"The content of {_named(manifest, sha256)} is missing in {folder}."
            raise Invalid("malformed", why, "Build the release again.")
        if blob.stat().st_size != size or _sha256(blob) != sha256:
            why = f"The content of {_named(manifest, sha256)} in {folder} was altered or cut short after it was built."
            raise UntrustedRelease("artifact_corrupt", why, "Nothing was signed or sent. Build the release again.")
    for sha256, file in release.documents().items():
        if not file.is_file() or _sha256(file) != sha256:
            why = f"The bill of materials in {folder} is missing or was altered after the release was built."
            raise UntrustedRelease("artifact_corrupt", why, "Nothing was signed or sent. Build the release again.")
    return release


def _sha256(blob: Path) -> str:
    found = hashlib.sha256()
    with blob.open("rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            found.update(piece)
    return found.hexdigest()


def _named(manifest: Manifest, sha256: str) -> str:
    return next((file.path for file in manifest.files if file.sha256 == sha256), f"blob {sha256[:12]}")


def _manifest(recipe: Recipe, files: tuple[TreeFile, ...], image: Image | None = None) -> Manifest:
    if recipe.component is None or recipe.version is None or recipe.counter is None or not recipe.hw:
        hint = "Give them on the command line or in release.toml."
        raise Invalid("malformed", "A release needs a component, a version, a counter and hardware names.", hint)
    executable = {file.path for file in files if file.mode == 0o755}
    if recipe.application and recipe.application.argv[0] not in executable:
        why = f"The application {recipe.application.argv[0]} is not an executable file of the folder."
        raise Invalid("malformed", why, "Correct [application] argv, or make the file executable.")
    for argv in recipe.data.commands if recipe.data else ():
        if argv[0] not in executable:
            why = f"The migration {argv[0]} is not an executable file of the folder."
            raise Invalid("malformed", why, "Correct [data], or make the file executable.")
    try:
        made = Manifest(
            component=recipe.component,
            version=recipe.version,
            counter=recipe.counter,
            svn=recipe.svn,
            hw=tuple(sorted(set(recipe.hw))),
            files=files,
            application=recipe.application,
            checks=recipe.checks,
            probation=recipe.probation,
            notes=recipe.notes,
            slot=SlotKind.IMAGE if image else SlotKind.TREE,
            image=image,
            data=recipe.data,
        )
    except ValueError as error:
        raise Invalid("malformed", f"The release cannot be built: {error}.", "Correct the value.") from error
    wrong = checks.first_problem(made)
    endless = next((check.name for check in made.checks if checks.boundless(check)), None)
    if endless and not wrong:
        wrong = f"check {endless}: params has no bound (min, max, min_ratio, max_ratio, max_delta or max_drop)"
    if wrong:
        raise Invalid("malformed", f"The release cannot be built: {wrong}.", "docs/health.md lists every parameter.")
    return made
