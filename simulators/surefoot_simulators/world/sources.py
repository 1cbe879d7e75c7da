"""What a scenario takes from files that a user has: recipes and built releases, and the text of a policy.

Promises: a recipe is read by the reader of `surefoot release build`, a manifest by the one that devices use; whatever
is wrong with a file is told at the key that names it. Refuses to read a release's content: the manifest knows its size.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from surefoot_server.releases.build import MANIFEST_FILE
from surefoot_server.releases.recipe import Recipe, read_recipe
from surefoot_server.rollouts.document import LIMIT_CHARACTERS
from surefoot_shared.errors import Invalid, SurefootError
from surefoot_shared.release import (
    MANIFEST_LIMIT_BYTES,
    DataHandling,
    HealthCheck,
    Manifest,
    Probation,
    SlotKind,
    parse_manifest,
)
from surefoot_simulators.world.toml_lines import Table

MANIFEST_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Source:
    """What a recipe or a manifest says of a release; "" , 0 or None where it says nothing."""

    version: str = ""
    component: str = ""
    counter: int | None = None
    svn: int = 1
    hw: tuple[str, ...] = ()
    size_bytes: int = 0
    probation: Probation | None = None
    checks: tuple[HealthCheck, ...] | None = None
    shadow: bool = False
    slot: SlotKind | None = None
    unplayed: tuple[str, ...] = ()
    """What it has and the simulator has nothing for, but for its checks."""


def read(table: Table, folder: Path) -> Source | None:
    """What the table's `from` names, None where it has none; raises Invalid with line and field."""
    if not table.has("from"):
        return None
    path = path_of(table, "from", folder)
    try:
        return of_path(path)
    except SurefootError as error:
        raise table.wrong(error.message.rstrip("."), "from") from error


def of_path(path: Path) -> Source:
    """A recipe, a release folder or its manifest; raises Invalid or ConfigError naming the file."""
    if path.is_dir() or path.suffix == MANIFEST_SUFFIX:
        return of_manifest(_manifest(path / MANIFEST_FILE if path.is_dir() else path))
    return of_recipe(read_recipe(path))


def of_recipe(recipe: Recipe) -> Source:
    """It does not say how large the release is."""
    return Source(
        version=recipe.version or "",
        component=recipe.component or "",
        counter=recipe.counter,
        svn=recipe.svn,
        hw=recipe.hw,
        probation=recipe.probation,
        checks=recipe.checks,
        shadow=recipe.application is not None and recipe.application.shadow,
        slot=SlotKind.TREE if recipe.application or recipe.data else None,
        unplayed=_data(recipe.data),
    )


def of_manifest(manifest: Manifest) -> Source:
    return Source(
        version=manifest.version,
        component=manifest.component,
        counter=manifest.counter,
        svn=manifest.svn,
        hw=manifest.hw,
        size_bytes=manifest.installed_size_bytes,
        probation=manifest.probation,
        checks=manifest.checks,
        shadow=manifest.application is not None and manifest.application.shadow,
        slot=manifest.slot,
        unplayed=_data(manifest.data),
    )


def text(table: Table, key: str, folder: Path) -> str:
    """The file that a key names; raises Invalid with line and field."""
    path = path_of(table, key, folder)
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(LIMIT_CHARACTERS + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise table.wrong(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}", key
        ) from error


def path_of(table: Table, key: str, folder: Path) -> Path:
    """The path that a key names; one that is not absolute starts from `folder`."""
    given = table.text(key)
    if not given or "\0" in given:
        raise table.wrong(f"{given!r} is no path", key)
    return folder / given


def _manifest(path: Path) -> Manifest:
    try:
        with path.open("rb") as file:
            return parse_manifest(file.read(MANIFEST_LIMIT_BYTES + 1))
    except FileNotFoundError as error:
        if path.parent.is_dir() and path.name == MANIFEST_FILE:
            raise Invalid("malformed", f"{path.parent} is no release folder: it has no {MANIFEST_FILE}.") from error
        raise Invalid("malformed", f"{path} cannot be read: {error.strerror}.") from error
    except OSError as error:
        raise Invalid("malformed", f"{path} cannot be read: {error.strerror}.") from error
    except SurefootError as error:
        raise Invalid("malformed", f"{path}: {error.message}") from error


def _data(handling: DataHandling | None) -> tuple[str, ...]:
    if handling is None:
        return ()
    return (
        "the copy of its data and their migrations ([data])" if handling.commands else "the copy of its data ([data])",
    )
