"""`surefoot keys rotate`, `revoke` and `renew`: make the next version of what the offline keys sign.

Rotating replaces the keys of a role, all or some, and may change its threshold; revoking takes one key out of every
role it is in; renewing only moves the date. New offline keys are written encrypted into the person's folder at once;
new online keys wait in pending/ until the rotation is in force. Promises: nothing of the old keys is deleted here, a
rotation that cannot be signed at all leaves no new key behind, and the keys of the two roots stay different.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from securesystemslib.signer import Key

from surefoot_server.keys.cosign import RETIRE, Proposed, propose, refuse_second
from surefoot_server.keys.files import read_pin, read_public, write_key
from surefoot_server.keys.layout import HALT_KEY, OFFLINE, ONLINE, KeyFolder, number_of
from surefoot_server.keys.quorum import Quorum
from surefoot_server.keys.rotation import Current, read_current, role_keys, rotated
from surefoot_server.keys.signers import (
    KeyRing,
    name_of,
    named,
    new_key_file,
    open_signer,
    read_signers,
    write_signers,
)
from surefoot_shared.errors import Invalid, NotFound
from surefoot_shared.trust.durable import write_durably
from surefoot_shared.trust.signing import RoleKeys, new_signer


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What becomes of a role's keys. Without `replace` and `keep`, every key is replaced by a new one.

    `add` holds public key files and signer URIs, which take the place of keys that would be made here.
    """

    replace: tuple[str, ...] = ()
    keep: bool = False
    add: tuple[str, ...] = ()
    quorum: Quorum | None = None
    planned: bool = True
    """A planned rotation lets the old halt key sign on for devices that have not seen the new root yet."""


@dataclass(slots=True)
class _Making:
    """What a rotation writes before it is proposed, so that it can be taken back."""

    written: list[Path] = field(default_factory=list)
    uris: dict[str, tuple[str, ...]] = field(default_factory=dict)


def rotate(
    folder: Path, roles: Sequence[str], ring: KeyRing, now: datetime, change: KeyChange | None = None
) -> Proposed:
    """Give roles new keys. Raises Invalid, Conflict, ConfigError, NotFound."""
    change, keys = change or KeyChange(), KeyFolder(folder)
    refuse_second(folder)
    current = read_current(keys)
    with _taken_back(keys) as making:
        changes = {role: _new_keys(keys, current, role, ring, change, making) for role in roles}
        _refuse_shared(current, changes)
        if change.planned and HALT_KEY in roles:
            write_durably(keys.pending / RETIRE, b"")
        if making.uris != read_signers(folder):
            write_signers(keys.pending, making.uris)
        why = f"New keys for {', '.join(roles)}."
        return propose(folder, rotated(current, changes, now), why, ring)


def revoke(folder: Path, key: str, ring: KeyRing, now: datetime) -> Proposed:
    """Take a key, by name or key id, out of every role, with a new one in its place. Raises NotFound."""
    current = read_current(KeyFolder(folder))
    roles = roles_of(current, key)
    if not roles:
        raise NotFound("not_found", f"No role lists the key {key!r}.", "`surefoot keys show` lists every key.")
    return rotate(folder, roles, ring, now, KeyChange(replace=(key,), planned=False))


def renew(folder: Path, roles: Collection[str], ring: KeyRing, now: datetime) -> Proposed:
    """Sign roots, targets or release roles again with a later date. Raises Invalid, Conflict, ConfigError."""
    if unknown := set(roles) - set(OFFLINE):
        raise Invalid("malformed", f"{', '.join(sorted(unknown))} cannot be renewed; known are {', '.join(OFFLINE)}.")
    refuse_second(folder)
    current = read_current(KeyFolder(folder))
    return propose(folder, rotated(current, {}, now, renew=roles), f"New dates for {', '.join(roles)}.", ring)


def roles_of(current: Current, key: str) -> tuple[str, ...]:
    """The key roles that list a key, by its name or the beginning of its id."""
    return tuple(role for role in (*OFFLINE, *ONLINE) if any(is_called(k, key) for k in role_keys(current, role).keys))


def is_called(key: Key, text: str) -> bool:
    return name_of(key) == text or (len(text) >= 8 and key.keyid.startswith(text))


def _new_keys(
    keys: KeyFolder, current: Current, role: str, ring: KeyRing, change: KeyChange, making: _Making
) -> RoleKeys:
    before = role_keys(current, role)
    if unknown := [each for each in change.replace if not any(is_called(key, each) for key in before.keys)]:
        raise NotFound("not_found", f"{role} has no key {', '.join(unknown)}.", "`surefoot keys show` lists every key.")
    kept = _kept(before, change)
    quorum = change.quorum or Quorum(before.threshold, max(len(before.keys), len(kept) + len(change.add)))
    if role in ONLINE and quorum != Quorum():
        raise Invalid("malformed", f"{role} is the server's alone; its threshold is 1 of 1.")
    wanted = quorum.keys - len(kept)
    if len(change.add) > wanted:
        raise Invalid("malformed", f"{role} would have more than {quorum.keys} keys.", "Raise it with --threshold.")
    names = _next_names(role, before, ring, wanted)
    added = [_given(keys, role, text, name, ring, making) for text, name in zip(change.add, names, strict=False)]
    for number, name in enumerate(names[len(added) :]):
        added.append(_made(keys, role, name, number, ring, making))
    return RoleKeys((*kept, *added), quorum.threshold)


def _kept(before: RoleKeys, change: KeyChange) -> list[Key]:
    if change.keep:
        return list(before.keys)
    gone = change.replace or tuple(key.keyid for key in before.keys)
    return [key for key in before.keys if not any(is_called(key, each) for each in gone)]


def _next_names(role: str, before: RoleKeys, ring: KeyRing, count: int) -> list[str]:
    """Names that no key of the role has or had: a retired key's file may still lie in its folder."""
    files = [path.stem for folder in ring.folders if folder.is_dir() for path in folder.glob("*.pem")]
    taken = [number_of(name, role) or 0 for name in (*map(name_of, before.keys), *files)]
    first = max([len(before.keys), *taken]) + 1
    return [f"{role}-{number}" for number in range(first, first + count)]


def _given(keys: KeyFolder, role: str, text: str, name: str, ring: KeyRing, making: _Making) -> Key:
    """A key that somebody else made: a public key file, or a signer URI, which keys.toml remembers."""
    if not Path(text).exists() and ":" in text:
        signer = open_signer(text, keys.root, ring.passphrase, lambda _name: read_pin(os.environ))
        others = () if role in ONLINE else making.uris.get(role, ())
        making.uris[role] = (*others, text)
        ring.add(text, signer)
        return named(signer.public_key, name)
    return named(read_public(Path(text)), Path(text).stem)


def _made(keys: KeyFolder, role: str, name: str, number: int, ring: KeyRing, making: _Making) -> Key:
    signer = new_signer()
    if role in ONLINE:
        making.uris.pop(role, None)
        making.written.append(write_key(keys.pending / "online", role, signer, None))
    else:
        folder = ring.folders[number % len(ring.folders)]
        making.written.append(write_key(new_key_file(folder, name).parent, name, signer, ring.passphrase()))
        ring.add(name, signer)
    return named(signer.public_key, name)


def _refuse_shared(current: Current, changes: dict[str, RoleKeys]) -> None:
    """One key in two roles is one theft for both; with one in both roots, one root could pass for the other's."""
    seen: dict[str, str] = {}
    for role in (*OFFLINE, *ONLINE):
        for key in (changes.get(role) or role_keys(current, role)).keys:
            if seen.setdefault(key.keyid, role) != role:
                message = f"{name_of(key)} would sign for {seen[key.keyid]} and for {role}."
                raise Invalid("malformed", message, "Give each role keys of its own.")


@contextmanager
def _taken_back(keys: KeyFolder) -> Iterator[_Making]:
    making = _Making(uris=dict(read_signers(keys.root)))
    try:
        yield making
    except BaseException:
        for path in making.written:
            path.unlink(missing_ok=True)
        if not keys.rotation.exists():
            shutil.rmtree(keys.pending, ignore_errors=True)
        raise
