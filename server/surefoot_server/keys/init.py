"""`surefoot keys init`: make the keys, roots and certificate authority of a fleet.

A new folder appears whole or not at all. Existing keys are never overwritten. How many keys a role has and how many
must sign is data (`quorum`); what is not said is 1-of-1, and the banner says so loudly. Keys can be dealt out to the
folders of several people, or lie on tokens that a signer URI names.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from securesystemslib.signer import Signer
from tuf.api.metadata import Root, Targets

from surefoot_server.keys.component import add_components
from surefoot_server.keys.files import read_pin, write_key
from surefoot_server.keys.layout import (
    DIRECTOR_KEY,
    DIRECTOR_ROOT,
    HALT_KEY,
    IMAGE_RELEASE,
    IMAGE_ROOT,
    IMAGE_SNAPSHOT,
    IMAGE_TARGETS,
    IMAGE_TIMESTAMP,
    OFFLINE,
    ONLINE,
    KeyFolder,
    key_names,
)
from surefoot_server.keys.offline import OFFLINE_LIFETIME, RELEASE_ROLE_LIFETIME
from surefoot_server.keys.quorum import Quorum, Signers
from surefoot_server.keys.signers import KeyRing, named, new_key_file, open_signer, write_signers
from surefoot_server.pki.ca import create_ca
from surefoot_shared.errors import Conflict, Invalid
from surefoot_shared.release import NAME, role_name
from surefoot_shared.topics import check_device_id
from surefoot_shared.trust.durable import write_durably
from surefoot_shared.trust.fields import DIRECTOR, IMAGE
from surefoot_shared.trust.repository import build_release_role, build_root, build_targets
from surefoot_shared.trust.signing import RoleKeys, new_signer, sign

BANNER = """\
*************************************************************************
**  ONE KEY, ONE PERSON: every role of this fleet is signed by 1 of 1.  **
**  Whoever has offline/ and its passphrase can run anything on every   **
**  device. Move offline/ to two sticks in two safes now; the server    **
**  never needs it. For a fleet you could not visit, use more keys and  **
**  higher thresholds.                                                  **
*************************************************************************"""


@dataclass(frozen=True, slots=True)
class KeysMade:
    """What a run of `keys init` did: files written, and what the operator must be told."""

    folder: Path
    files: tuple[str, ...]
    """Relative to the folder where they lie in it."""
    components: tuple[str, ...]
    banner: str = BANNER


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """Which keys to make. Roles that are not named get one key; `offline` are the folders that keys are dealt to."""

    quorums: Mapping[str, Quorum] = field(default_factory=dict)
    offline: tuple[Path, ...] = ()
    signers: Signers = field(default_factory=dict)


Offline = TypeVar("Offline", Root, Targets)


@dataclass(frozen=True, slots=True)
class _Role:
    signers: tuple[Signer, ...]
    keys: RoleKeys


def init_keys(
    folder: Path,
    passphrase: bytes,
    now: datetime,
    fleet: str = "fleet",
    components: Sequence[str] = ("app",),
    plan: KeyPlan | None = None,
) -> KeysMade:
    """Make a fleet's keys, or add components to those in `folder`. Raises Invalid, ConfigError or Conflict."""
    plan = plan or KeyPlan()
    _check_names(fleet, components)
    if (folder / "repository").is_dir():
        ring = KeyRing(folder, passphrase, offline=plan.offline)
        files, added = add_components(folder, ring, now, components)
        return KeysMade(folder, files, added, "")
    with _appearing(folder) as fresh, _undone() as outside:
        keys = KeyFolder(fresh)
        roles = {role: _offline_role(keys, role, passphrase, plan, outside) for role in OFFLINE}
        roles |= {role: _online_role(keys, role, plan) for role in ONLINE}
        if plan.signers:
            write_signers(fresh, plan.signers)
        _write_metadata(keys, roles, fleet, now, components)
        files = tuple(sorted(str(p.relative_to(fresh)) for p in fresh.rglob("*") if p.is_file()))
    return KeysMade(folder, (*files, *map(str, outside)), tuple(components), banner_of(plan))


def banner_of(plan: KeyPlan) -> str:
    """Loud where one person can do everything, one line where one person can do something, else nothing."""
    alone = [role for role in OFFLINE if plan.quorums.get(role, Quorum()).threshold == 1]
    if len(alone) == len(OFFLINE):
        return BANNER
    return f"ONE SIGNATURE is enough for {', '.join(alone)}; more is safer." if alone else ""


def _offline_role(keys: KeyFolder, role: str, passphrase: bytes, plan: KeyPlan, outside: list[Path]) -> _Role:
    """Open the signers that the plan names, make key files for the rest, each in the next person's folder."""
    uris = plan.signers.get(role, ())
    quorum = plan.quorums.get(role, Quorum(1, max(1, len(uris))))
    if len(uris) > quorum.keys:
        raise Invalid("malformed", f"{role} has {quorum.keys} keys and {len(uris)} signers are named for it.")
    signers: list[Signer] = [open_signer(uri, keys.root, lambda: passphrase, _pin) for uri in uris]
    names = key_names(role, quorum.keys)
    for number, name in enumerate(names[len(uris) :]):
        folder = plan.offline[number % len(plan.offline)] if plan.offline else keys.offline
        signer = new_signer()
        path = write_key(new_key_file(folder, name).parent, name, signer, passphrase)
        if plan.offline:
            outside.append(path)
        signers.append(signer)
    members = tuple(named(signer.public_key, name) for signer, name in zip(signers, names, strict=True))
    return _Role(tuple(signers), RoleKeys(members, quorum.threshold))


def _online_role(keys: KeyFolder, role: str, plan: KeyPlan) -> _Role:
    if uris := plan.signers.get(role, ()):
        signer: Signer = open_signer(uris[0], keys.root, None, _pin)
    else:
        made = new_signer()
        write_key(keys.online, role, made, None)
        signer = made
    return _Role((signer,), RoleKeys((named(signer.public_key, role),)))


def _write_metadata(
    keys: KeyFolder, roles: Mapping[str, _Role], fleet: str, now: datetime, components: Sequence[str]
) -> None:
    authority = create_ca(keys.online, fleet, now)
    for repository, raw in _roots(roles, fleet, now).items():
        write_durably(keys.repository / repository / "1.root.json", raw, mode=0o644)
        write_durably(keys.bootstrap / f"{repository}.root.json", raw, mode=0o644)
    write_durably(keys.bootstrap / "ca.pem", authority.pem, mode=0o644)
    release = roles[IMAGE_RELEASE]
    top = build_targets(1, now + OFFLINE_LIFETIME, dict.fromkeys(components, release.keys))
    # The empty roles first: a top level that delegates to a role nobody signed could not be served.
    for component in components:
        empty = build_release_role(1, now + RELEASE_ROLE_LIFETIME, ())
        write_durably(keys.image / f"1.{role_name(component)}.json", _signed(empty, release), mode=0o644)
    write_durably(keys.image / "1.targets.json", _signed(top, roles[IMAGE_TARGETS]), mode=0o644)


def _roots(roles: Mapping[str, _Role], fleet: str, now: datetime) -> dict[str, bytes]:
    """Different root keys for the two repositories: with shared ones, one root could pass for the other's successor."""
    expires = now + OFFLINE_LIFETIME
    image_roles = {
        "root": roles[IMAGE_ROOT].keys,
        "targets": roles[IMAGE_TARGETS].keys,
        "snapshot": roles[IMAGE_SNAPSHOT].keys,
        "timestamp": roles[IMAGE_TIMESTAMP].keys,
    }
    director_roles = dict.fromkeys(("targets", "snapshot", "timestamp"), roles[DIRECTOR_KEY].keys)
    director_roles["root"] = roles[DIRECTOR_ROOT].keys
    image = build_root(IMAGE, fleet, 1, now, expires, image_roles)
    director = build_root(DIRECTOR, fleet, 1, now, expires, director_roles, halt=roles[HALT_KEY].keys)
    return {IMAGE: _signed(image, roles[IMAGE_ROOT]), DIRECTOR: _signed(director, roles[DIRECTOR_ROOT])}


def _signed(signed: Offline, role: _Role) -> bytes:
    return sign(signed, role.signers[: role.keys.threshold])


def _pin(_name: str) -> str:
    return read_pin(os.environ)


def _check_names(fleet: str, components: Sequence[str]) -> None:
    check_device_id(fleet)
    for component in components:
        if not NAME.fullmatch(component):
            hint = "Use 1 to 32 small letters, digits, dashes or underscores, beginning with a letter or digit."
            raise Invalid("malformed", f"{component!r} is not a component's name.", hint)
    if not components:
        raise Invalid("malformed", "A fleet needs at least one component.")


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """Give a folder that gets its name only when everything in it is written."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict("conflict", f"{folder} exists and holds something else than keys.", "Give a new folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield fresh
        if folder.exists():
            folder.rmdir()
        os.replace(fresh, folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


@contextmanager
def _undone() -> Iterator[list[Path]]:
    """Collect files written elsewhere, and remove them again where the whole did not succeed."""
    written: list[Path] = []
    try:
        yield written
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
