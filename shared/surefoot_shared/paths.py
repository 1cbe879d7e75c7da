"""Which paths a tree may hold: what lands the same, and where it should, on every device. One list for whoever builds
a release and for the device that installs it.

Promises: a path that passes stays inside its tree, fits the file systems of Linux, and has one way to be written; two
that pass `refuse_twins` are two files wherever upper and lower case, or the spelling of accents, are not told apart.
Raises ValueError with one sentence that names the path. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

NAME_LIMIT_BYTES = 255
"""Of one name between slashes: NAME_MAX of Linux."""
PATH_LIMIT_BYTES = 3840
"""PATH_MAX less 256 bytes for the folder of the slot."""
SHOWN = 80
PASSED_OVER = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
"""What a file system without case leaves out before it compares: Default_Ignorable_Code_Point less what `_printable`
refuses. Source: Unicode's DerivedCoreProperties, as ext4 and F2FS use it."""


def check_tree_path(path: str) -> str:
    """Return the path, or raise ValueError that says why it is refused."""
    if why := _why_not(path):
        shown = repr(path) if path.isprintable() else ascii(path)
        raise ValueError(f"{shown if len(shown) <= SHOWN else shown[:SHOWN] + '…'} {why}")
    return path


def refuse_twins(paths: Iterable[str]) -> None:
    """Raise ValueError where two paths, or folders on their way, would be one on some file system."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        _one_of_a_kind(files, path)
        while (path := path.rpartition("/")[0]) and folders.get(_folded(path)) != path:
            _one_of_a_kind(folders, path)
    for key in files.keys() & folders.keys():
        if files[key] == folders[key]:
            raise ValueError(f"{files[key]!r} is a file and a folder")
        raise ValueError(_twins(files[key], folders[key]))


def _one_of_a_kind(seen: dict[str, str], path: str) -> None:
    key = _folded(path)
    if key in seen:
        raise ValueError(_twins(path, seen[key]))
    seen[key] = path


def _twins(path: str, other: str) -> str:
    if path == other:
        return f"{path!r} is there twice"
    return f"{path!r} differs from {other!r} only in upper and lower case, or in how it is spelt"


def _why_not(path: str) -> str:
    try:
        raw = path.encode()
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    parts = path.split("/")
    if not path or any(part in ("", ".", "..") for part in parts):
        return "is not a path inside the tree"
    if "\\" in path or not _printable(path):
        return "has a name with a backslash, or a character that cannot be seen"
    if len(raw) > PATH_LIMIT_BYTES or any(len(part.encode()) > NAME_LIMIT_BYTES for part in parts):
        return f"has a name that is too long: {NAME_LIMIT_BYTES} bytes a name, {PATH_LIMIT_BYTES} a path"
    if not unicodedata.is_normalized("NFC", path):
        return "has a name whose accents are written apart: two names could look the same"
    return ""


def _printable(path: str) -> bool:
    """Neither control characters nor what has no width of its own, which some file systems pass over."""
    return (path.isascii() and path.isprintable()) or all(unicodedata.category(c) not in ("Cc", "Cf") for c in path)


def _folded(path: str) -> str:
    """The same for what some file system takes for the same: Unicode's canonical caseless matching (D145)."""
    if path.isascii():
        folded = path.lower()
        return path if folded == path else folded  # most are: a second string of each is megabytes
    shown = PASSED_OVER.sub("", path)
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", shown).casefold())
