"""Files of a tree on disk: write, link, compare, prune and audit them, with every name and byte made durable.

Promises: nothing but regular files, read-only, in real folders below the root is ever made; a name appears in the tree
only once its content is whole and on the medium. `audit` reads from the medium, not from the page cache.
Raises OSError for the disk's failures (the caller translates) and InstallFailed where bytes are not what was signed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from surefoot_agent.durable import write_all
from surefoot_agent.guard import fsync_folder
from surefoot_agent.ports import Changed
from surefoot_shared.errors import InstallFailed, Unreachable
from surefoot_shared.release import TreeFile

READ_BYTES = 1024 * 1024
SYNC_BYTES = 8 * 1024 * 1024
"""At most this much of a part is lost to a power cut; syncing more often wears flash."""
Chunks = Callable[[int], Iterable[bytes]]


def installed_mode(file: TreeFile) -> int:
    """Without write bits: a hard link shares its content with the other slot."""
    return file.mode & 0o555


def matches(path: Path, wanted: TreeFile, *, from_medium: bool = False) -> bool:
    """True where `path` is a regular file with the very mode, size and bytes."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    same_kind = stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == installed_mode(wanted)
    if not same_kind or status.st_size != wanted.size:
        return False
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(handle, "rb", buffering=0) as file:
        if from_medium:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        hasher = hashlib.sha256()
        while part := file.read(READ_BYTES):
            hasher.update(part)
    return hasher.hexdigest() == wanted.sha256


def prune(root: Path, keep: Mapping[str, TreeFile]) -> None:
    """Remove everything that is not a listed file with its very bytes, or a folder on the way to one."""
    folders = {parent for path in keep for parent in _parents(path)}
    for path, entry in _walk(root):
        if entry.is_dir(follow_symlinks=False):
            if path not in folders:
                shutil.rmtree(entry.path)
        elif path not in keep or not matches(Path(entry.path), keep[path]):
            os.unlink(entry.path)
    fsync_folder(root)


def prune_parts(folder: Path, keep: Collection[str]) -> None:
    for entry in list(os.scandir(folder)):
        if entry.name not in keep or not entry.is_file(follow_symlinks=False):
            shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
    fsync_folder(folder)


def audit(root: Path, wanted: Mapping[str, TreeFile]) -> set[str]:
    """Paths that are missing, wrong or not listed; every byte is read from the medium."""
    strays = {p for p, entry in _walk(root) if p not in wanted and not entry.is_dir(follow_symlinks=False)}
    return strays | damaged(root, wanted)


def damaged(root: Path, wanted: Mapping[str, TreeFile]) -> set[str]:
    """Paths that are missing or wrong, whatever else lies beside them; every byte is read from the medium."""
    return {path for path, file in wanted.items() if not matches(root / path, file, from_medium=True)}


def sync_folders(root: Path) -> None:
    """Make every name of the tree durable, deepest first."""
    folders = [Path(entry.path) for _, entry in _walk(root) if entry.is_dir(follow_symlinks=False)]
    for folder in sorted(folders, key=lambda f: len(f.parts), reverse=True):
        fsync_folder(folder)
    fsync_folder(root)
    fsync_folder(root.parent)


def reclaimable(*roots: Path) -> tuple[int, int]:
    """Bytes and inodes that come free when these folders are emptied; a file linked elsewhere frees nothing."""
    size_bytes = inodes = 0
    names: Counter[int] = Counter()
    for root in roots:
        for _, entry in _walk(root):
            status = entry.stat(follow_symlinks=False)
            names[status.st_ino] += 1
            if entry.is_dir(follow_symlinks=False) or status.st_nlink == names[status.st_ino]:
                size_bytes += status.st_blocks * 512
                inodes += 1
    return size_bytes, inodes


def place_link(source: Path, target: Path, root: Path, part: Path) -> None:
    """Give the source's content a second name, through `part`; copy where the file system has no (more) links."""
    _make_parents(target, root)
    part.unlink(missing_ok=True)
    try:
        os.link(source, part, follow_symlinks=False)
    except OSError:  # FAT has no links, ext4 no more than 65,000: the copy below fails for any other reason
        _copy(source, part)
    os.replace(part, target)
    fsync_folder(target.parent)


def write_part(part: Path, wanted: TreeFile, chunks: Chunks) -> None:
    """Fill the part from where it stopped. A beginning that a power cut spoiled is dropped and fetched again."""
    resumed = part.exists()
    try:
        if _fill(part, wanted, chunks):
            return
    except Changed:
        resumed = True  # what is there is of another version
    part.unlink()
    if resumed and _fill(part, wanted, chunks):
        return
    part.unlink(missing_ok=True)
    raise InstallFailed("artifact_corrupt", f"What was fetched for {wanted.path} does not match its signed hash.")


def place_part(part: Path, target: Path, root: Path) -> None:
    _make_parents(target, root)
    os.replace(part, target)
    fsync_folder(target.parent)


def _fill(part: Path, wanted: TreeFile, chunks: Chunks) -> bool:
    """Append what is missing; False where the whole has the wrong hash or the source sends more than was signed."""
    with suppress(FileNotFoundError):
        if stat.S_ISREG(part.lstat().st_mode):
            part.chmod(0o600)  # a whole one that was cut off before it got its place is read-only
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(handle, "r+b", buffering=0) as file:
        hasher, have = _rehash(file.fileno(), wanted.size)
        unsynced = 0
        for chunk in chunks(have) if have < wanted.size else ():
            if have + len(chunk) > wanted.size:
                return False
            write_all(handle, chunk)
            hasher.update(chunk)
            have, unsynced = have + len(chunk), unsynced + len(chunk)
            if unsynced >= SYNC_BYTES:
                os.fsync(handle)
                unsynced = 0
        whole = have == wanted.size and hasher.hexdigest() == wanted.sha256
        if whole:
            os.fchmod(handle, installed_mode(wanted))  # before the fsync: a power cut takes back a mode like a byte
        os.fsync(handle)
    if have < wanted.size:
        raise Unreachable("unreachable", f"The source of {wanted.path} ended after {have} of {wanted.size} bytes.")
    return whole


def _rehash(handle: int, size: int) -> tuple[hashlib._Hash, int]:
    """Hash what is there and leave the position behind it; a part longer than the file starts anew."""
    hasher, have = hashlib.sha256(), 0
    if os.fstat(handle).st_size > size:
        os.ftruncate(handle, 0)
    while part := os.read(handle, READ_BYTES):
        hasher.update(part)
        have += len(part)
    return hasher, have


def _copy(source: Path, part: Path) -> None:
    with open(source, "rb") as reader, open(part, "xb") as writer:
        shutil.copyfileobj(reader, writer, READ_BYTES)
        os.fchmod(writer.fileno(), stat.S_IMODE(os.fstat(reader.fileno()).st_mode))
        writer.flush()
        os.fsync(writer.fileno())


def _make_parents(target: Path, root: Path) -> None:
    """Make the folders between root and target; a link in the way is an error, never followed."""
    folder = root
    for name in target.relative_to(root).parts[:-1]:
        folder, above = folder / name, folder
        try:
            folder.mkdir(mode=0o755)
        except FileExistsError:
            if not stat.S_ISDIR(folder.lstat().st_mode):
                raise
        else:
            fsync_folder(above)


def _walk(root: Path, below: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every entry with its path relative to root, never through a link; a folder comes before what it holds."""
    try:
        entries = list(os.scandir(root / below))
    except FileNotFoundError:
        return
    for entry in entries:
        path = f"{below}/{entry.name}" if below else entry.name
        yield path, entry
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, path)


def _parents(path: str) -> Iterator[str]:
    parts = path.split("/")[:-1]
    return ("/".join(parts[: i + 1]) for i in range(len(parts)))
