"""Unpack a Mender artifact into a folder that builds as a release for a component of kind `module`.

Promises: every checksum of the artifact's own manifest is compared, and a file that it does not list is refused; the
folder appears whole or not at all, and what it holds is what an Update Module would have been given. The artifact's
signature is not looked at: the release is signed by this fleet's own keys. Refuses artifacts of other versions, with
several or with augmented payloads, and state scripts, which nothing would run. Source: the artifact format, version 3.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from surefoot_shared import wire
from surefoot_shared.errors import Invalid, UntrustedRelease
from surefoot_shared.module import FOLDER, LIMIT_BYTES, NAME, Payload
from surefoot_shared.paths import check_tree_path

CHUNK_BYTES = 1024 * 1024
HEADERS = 10_000
"""More names than any artifact's header has."""


@dataclass
class _Artifact:
    sums: dict[str, str] = field(default_factory=dict)
    """What its manifest says: name → sha256."""
    seen: dict[str, str] = field(default_factory=dict)
    headers: dict[str, bytes] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)


def unpack(artifact: Path, out: Path) -> Payload:
    """Write `module.json` and the payload's files into a new folder.

    Raises Invalid, or UntrustedRelease where a checksum is not that of the artifact's own manifest.
    """
    if out.exists():
        raise _refused(f"{out} exists already", "Name a folder that is not there yet.")
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        payload = _unpacked(artifact, fresh)
        fresh.chmod(0o755)  # mkdtemp makes it private, but a release is no secret
        os.replace(fresh, out)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return payload


def depends(payload: Payload) -> Mapping[str, object]:
    """What the artifact asks of a device; a release says it by its hardware names and its rollout's cohort."""
    found = _json(payload.header_info.encode(), "header-info").get("artifact_depends")
    return found if isinstance(found, Mapping) else {}


def _unpacked(artifact: Path, folder: Path) -> Payload:
    found = _Artifact()
    try:
        (folder / FOLDER).mkdir()
        with tarfile.open(artifact, "r:") as tar:
            for member in tar:
                _take(tar, member, found, folder / FOLDER)
    except (tarfile.TarError, OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise _refused(f"{artifact} cannot be read as an artifact: {error}") from error
    _compare(found)
    payload = _payload(found)
    (folder / NAME).write_bytes(wire.encode(payload))
    return payload


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, found: _Artifact, out: Path) -> None:
    name, file = member.name, _content(tar, member)
    if file is None:
        raise _refused(f"it holds {name}, which is no file")
    if name == "manifest":
        found.sums = dict(_lines(_small(file, name)))
    elif name == "version":
        raw = _small(file, name)
        found.seen[name] = hashlib.sha256(raw).hexdigest()
        if _json(raw, name).get("version") != 3:
            raise _refused("it is not of format version 3")
    elif name.startswith("header.tar"):
        raw = _small(file, name)
        found.seen[name] = hashlib.sha256(raw).hexdigest()
        file.seek(0)
        _header(file, found)
    elif name.startswith("data/0000.tar"):
        _data(file, found, out)
    elif name not in ("manifest.sig",):
        raise _refused(f"it holds {name}: several or augmented payloads are not taken")


def _header(file: IO[bytes], found: _Artifact) -> None:
    with tarfile.open(fileobj=file, mode="r:*") as tar:
        for number, member in enumerate(tar):
            content = _content(tar, member)
            if number > HEADERS or content is None:
                raise _refused("its header holds more than files")
            if member.name.startswith("scripts/"):
                raise _refused(f"it brings the state script {member.name}", "Put what it checks into health checks.")
            found.headers[member.name] = _small(content, member.name)


def _data(file: IO[bytes], found: _Artifact, out: Path) -> None:
    with tarfile.open(fileobj=file, mode="r:*") as tar:
        for member in tar:
            content = _content(tar, member)
            if content is None or "/" in member.name or not _is_plain(member.name):
                raise _refused(f"its payload holds {ascii(member.name)[:80]}, which is no plain file")
            digest = hashlib.sha256()
            with (out / member.name).open("xb") as copy:
                while chunk := content.read(CHUNK_BYTES):
                    digest.update(chunk)
                    copy.write(chunk)
            found.seen[f"data/0000/{member.name}"] = digest.hexdigest()
            found.files.append(member.name)


def _compare(found: _Artifact) -> None:
    wrong = sorted(
        name for name in found.seen.keys() | found.sums.keys() if found.seen.get(name) != found.sums.get(name)
    )
    if wrong or "version" not in found.seen:
        why = f"The artifact is not taken: {wrong[0] if wrong else 'version'} is not what its manifest says."
        raise UntrustedRelease("artifact_corrupt", why, "Fetch it again: what is here was altered or cut short.")


def _payload(found: _Artifact) -> Payload:
    info = _json(found.headers.get("header-info", b"{}"), "header-info")
    provides, listed = info.get("artifact_provides"), info.get("payloads")
    if not isinstance(provides, Mapping) or not isinstance(listed, list) or len(listed) != 1:
        raise _refused("its header does not name one payload")
    kind = listed[0].get("type") if isinstance(listed[0], Mapping) else None
    if not isinstance(kind, str):
        raise _refused("its payload has no type: it installs nothing")
    try:
        return Payload(
            type=kind,
            name=str(provides.get("artifact_name", "")),
            files=tuple(found.files),
            group=str(provides.get("artifact_group") or ""),
            meta=found.headers.get("headers/0000/meta-data", b"").decode(),
            header_info=found.headers["header-info"].decode(),
            type_info=found.headers.get("headers/0000/type-info", b"").decode(),
        )
    except (ValueError, KeyError) as error:
        raise _refused(f"{error}") from error


def _is_plain(name: str) -> bool:
    try:
        return bool(check_tree_path(name))
    except ValueError:
        return False


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes] | None:
    """A link is no file, whatever it leads to; one of holes may be of any size."""
    return tar.extractfile(member) if member.isreg() and not member.issparse() else None


def _lines(raw: bytes) -> Iterator[tuple[str, str]]:
    for line in raw.decode(errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        yield name, digest


def _small(file: IO[bytes], name: str) -> bytes:
    raw = file.read(LIMIT_BYTES + 1)
    if len(raw) > LIMIT_BYTES:
        raise _refused(f"its {name} is larger than {LIMIT_BYTES} bytes")
    return raw


def _json(raw: bytes, name: str) -> Mapping[str, object]:
    try:
        value = json.loads(raw)
    except ValueError as error:
        raise _refused(f"its {name} is no JSON") from error
    if not isinstance(value, Mapping):
        raise _refused(f"its {name} is no JSON object")
    return value


def _refused(why: str, hint: str = "Make the artifact anew with mender-artifact, then unpack it again.") -> Invalid:
    return Invalid("malformed", f"The artifact is not taken: {why}.", hint)
