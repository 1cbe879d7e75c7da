"""`surefoot keys cosign`: bring a rotation into force, signature by signature.

`propose` writes DIR/pending/rotation.json with the signatures that can be made here; others add theirs to that one file
with `cosign`, on machines of their own, and hand it back. When every file of it has its threshold, it comes into force:
metadata first, then the online keys that wait in pending/. Promises: a crash in between is mended by running the
command again; a rotation that does not follow what is in force here is refused before anything is signed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from surefoot_server.keys.ceremony import Standing, cosigned, merged
from surefoot_server.keys.changes import changes_of
from surefoot_server.keys.layout import HALT_KEY, RETIRED_HALT, KeyFolder, key_file
from surefoot_server.keys.rotation import Rotation, delegators_of, key_role_of, parse_rotation, read_current, standings
from surefoot_server.keys.signers import KEYS_FILE, KeyRing
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, Conflict, Invalid
from surefoot_shared.trust.durable import locked, sync_folder, write_durably

RETIRE = "retire-halt"
"""A mark in pending/: this rotation is planned, so the halt key that it replaces goes on signing beside the new one."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """Where a rotation stands. `in_force`: it has every signature and the keys folder follows it."""

    path: Path
    why: str
    standings: Mapping[str, Standing]
    signed_now: tuple[str, ...]
    in_force: bool

    @property
    def missing(self) -> int:
        return max((standing.missing for standing in self.standings.values()), default=0)


def propose(folder: Path, files: Mapping[str, bytes], why: str, ring: KeyRing) -> Proposed:
    """Sign what can be signed here; put it into force, or leave it in pending/ for others. Raises ConfigError."""
    keys = KeyFolder(folder)
    refuse_second(folder)
    with locked(keys.repository):
        found = _sign(keys, files, ring)
        if not any(standing.signed for standing in found.standings.values()):
            raise _no_key(ring)
        _write(keys.rotation, Rotation(_texts(found.files), why))
        return _settle(keys, keys.rotation, why, found)


def refuse_second(folder: Path) -> None:
    """Two rotations at once could not both follow what is in force; raises Conflict."""
    path = KeyFolder(folder).rotation
    if path.exists():
        hint = f"Finish it with `surefoot keys cosign {path} --keys {folder}`, or remove {path.parent} to give it up."
        raise Conflict("conflict", "Another rotation still lacks signatures.", hint)


def cosign(path: Path, folder: Path, ring: KeyRing) -> Proposed:
    """Add the signatures that can be made here to a rotation file. Raises Invalid, UntrustedRelease, ConfigError."""
    keys, rotation = KeyFolder(folder), load(path)
    with locked(keys.repository):
        if _is_in_force(keys, rotation):
            _finish(keys, {})
            return Proposed(path, rotation.why, {}, (), True)
        files = _with_own_copy(keys, {name: text.encode() for name, text in rotation.files.items()})
        changes_of(read_current(keys), files)  # refuses what must not be signed unseen
        before = {name: set(s.signed) for name, s in standings(read_current(keys), files).items()}
        found = _sign(keys, files, ring)
        complete = all(standing.complete for standing in found.standings.values())
        if not complete and all(set(s.signed) == before[name] for name, s in found.standings.items()):
            raise _no_key(ring)
        for each in {path, keys.rotation} if keys.rotation.exists() else {path}:
            _write(each, Rotation(_texts(found.files), rotation.why))
        return _settle(keys, path, rotation.why, found, before)


def load(path: Path) -> Rotation:
    """Read a rotation file; raises Invalid."""
    try:
        return parse_rotation(path.read_bytes())
    except OSError as error:
        hint = "It is the file that `surefoot keys rotate` wrote."
        raise Invalid("malformed", f"The rotation {path} cannot be read: {error.strerror}.", hint) from error


@dataclass(frozen=True, slots=True)
class _Found:
    files: Mapping[str, bytes]
    standings: Mapping[str, Standing]


def _sign(keys: KeyFolder, files: Mapping[str, bytes], ring: KeyRing) -> _Found:
    current = read_current(keys)
    judges = delegators_of(current, files)
    signed = {}
    for name, raw in files.items():
        allowed = {
            keyid: each.signed.get_key(keyid)
            for each in judges[name]
            for keyid in each.signed.get_delegated_role(each.role).keyids
        }
        signed[name] = cosigned(raw, judges[name], ring.signers(key_role_of(name), allowed.values()))
    return _Found(signed, standings(current, signed))


def _settle(
    keys: KeyFolder, path: Path, why: str, found: _Found, before: Mapping[str, set[str]] | None = None
) -> Proposed:
    complete = all(standing.complete for standing in found.standings.values())
    if complete:
        _finish(keys, found.files)
    old = before or {}
    fresh = {who for name, s in found.standings.items() for who in set(s.signed) - old.get(name, set())}
    return Proposed(path, why, found.standings, tuple(sorted(fresh)), complete)


def _finish(keys: KeyFolder, files: Mapping[str, bytes]) -> None:
    """Put files and waiting online keys into their places; may run twice."""
    for name in sorted(files, key=lambda name: ".root." in name):  # the roots last: they are what makes it true
        write_durably(keys.repository / name, files[name], mode=0o644)
        if ".root." in name:
            write_durably(keys.bootstrap / f"{name.partition('/')[0]}.root.json", files[name], mode=0o644)
    waiting = keys.pending / "online"
    for path in sorted(waiting.glob("*.pem")) if waiting.is_dir() else ():
        if path.stem == HALT_KEY:
            _retire_halt(keys)
        os.replace(path, keys.online / path.name)
        sync_folder(keys.online)
    if (keys.pending / KEYS_FILE).exists():
        os.replace(keys.pending / KEYS_FILE, keys.root / KEYS_FILE)
    shutil.rmtree(keys.pending, ignore_errors=True)


def _retire_halt(keys: KeyFolder) -> None:
    retired = key_file(keys.online, RETIRED_HALT)
    if (keys.pending / RETIRE).exists() and key_file(keys.online, HALT_KEY).exists():
        os.replace(key_file(keys.online, HALT_KEY), retired)
    else:
        retired.unlink(missing_ok=True)


def _with_own_copy(keys: KeyFolder, files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """The folder that proposed a rotation keeps the signatures that it has seen already."""
    if not keys.rotation.exists():
        return files
    own = {name: text.encode() for name, text in load(keys.rotation).files.items()}
    if own.keys() != files.keys():
        raise Conflict("conflict", f"{keys.rotation} is another rotation than this one.", "Finish or remove it first.")
    judges = delegators_of(read_current(keys), own)
    return {name: merged(own[name], raw, judges[name]) for name, raw in files.items()}


def _is_in_force(keys: KeyFolder, rotation: Rotation) -> bool:
    return all((keys.repository / name).exists() for name in rotation.files)


def _no_key(ring: KeyRing) -> ConfigError:
    where = ", ".join(str(folder) for folder in ring.folders)
    why = f" {' '.join(ring.absent)}" if ring.absent else ""
    hint = "Give the folder that holds your key with --offline, or its name with --key."
    return ConfigError("key_missing", f"No key in {where} can add a signature.{why}", hint)


def _write(path: Path, rotation: Rotation) -> None:
    write_durably(path, wire.encode(rotation), mode=0o644)


def _texts(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: raw.decode() for name, raw in files.items()}
