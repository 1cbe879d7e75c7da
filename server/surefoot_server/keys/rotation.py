"""New offline metadata that comes into force together: a root with other keys, and every file that must follow it.

    changing a key of           makes new
    image-root, image-snapshot, image-timestamp    the image root
    image-targets               the image root, targets
    image-release               targets, and every rel-COMPONENT with the releases it lists
    director-root, director, halt                  the director root

A `Rotation` is one file that people hand on and sign. Promises: versions rise by one, nothing else changes, a file is
judged by the newest files that list its keys. Pure but for `read_current`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from securesystemslib.signer import Key
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Root, Targets

from surefoot_server.keys.ceremony import Delegator, Standing, read_signed, standing
from surefoot_server.keys.image import newest_root
from surefoot_server.keys.layout import (
    DIRECTOR_KEY,
    DIRECTOR_ROOT,
    HALT_KEY,
    IMAGE_RELEASE,
    IMAGE_ROOT,
    IMAGE_SNAPSHOT,
    IMAGE_TARGETS,
    IMAGE_TIMESTAMP,
    KeyFolder,
    latest,
)
from surefoot_server.keys.offline import (
    OFFLINE_LIFETIME,
    RELEASE_ROLE_LIFETIME,
    delegated_components,
    read_role_file,
    read_targets,
)
from surefoot_shared import wire
from surefoot_shared.errors import Invalid, UntrustedRelease
from surefoot_shared.release import role_name
from surefoot_shared.trust.fields import DIRECTOR, IMAGE, X_FLEET, X_HALT, X_REPO
from surefoot_shared.trust.repository import build_release_role, build_root, build_targets
from surefoot_shared.trust.signing import RoleKeys, sign

TUF_ROLE = {IMAGE_ROOT: "root", IMAGE_TARGETS: "targets", IMAGE_SNAPSHOT: "snapshot", IMAGE_TIMESTAMP: "timestamp"}
LIMIT_BYTES = 8 * 1024 * 1024
"""Twenty components with a thousand releases each."""
DIRECTOR_SIGNS = ("targets", "snapshot", "timestamp")
IN_IMAGE_ROOT = frozenset(TUF_ROLE)
IN_DIRECTOR_ROOT = frozenset({DIRECTOR_ROOT, DIRECTOR_KEY, HALT_KEY})


@dataclass(frozen=True, slots=True)
class Current:
    """The newest offline metadata of a keys folder; both roots are verified, the rest is as the folder has it."""

    image: Root
    director: Root
    targets: Targets
    roles: Mapping[str, Targets]


@dataclass(frozen=True, slots=True)
class Rotation:
    """`files` maps `image/2.root.json` and so on to metadata; `why` is for the people who are asked to sign."""

    files: Mapping[str, str]
    why: str = ""
    v: int = 1

    def __post_init__(self) -> None:
        if self.v != 1 or not self.files:
            raise ValueError("it is not a rotation of this version")


def read_current(keys: KeyFolder) -> Current:
    """Load a keys folder; raises ConfigError."""
    targets = read_targets(keys)
    roles = {}
    for component in delegated_components(targets):
        if path := latest(keys.image, role_name(component)):
            roles[component] = read_role_file(path)
    return Current(newest_root(keys.image), newest_root(keys.director), targets, roles)


def parse_rotation(raw: bytes) -> Rotation:
    """Raises Invalid."""
    return wire.decode(Rotation, raw, LIMIT_BYTES)


def role_keys(current: Current, role: str) -> RoleKeys:
    """Who may sign what a key role signs: `image-root`, `director`, `halt` and so on."""
    if role in TUF_ROLE:
        return keys_in(current.image, TUF_ROLE[role])
    if role == DIRECTOR_ROOT:
        return keys_in(current.director, "root")
    if role == DIRECTOR_KEY:
        return keys_in(current.director, "targets")
    if role == HALT_KEY:
        return halt_keys(current.director)
    delegated = delegated_components(current.targets)
    keys = {key.keyid: key for allowed in delegated.values() for key in allowed.keys}
    return RoleKeys(tuple(keys.values()), max((allowed.threshold for allowed in delegated.values()), default=1))


def rotated(
    current: Current, changes: Mapping[str, RoleKeys], now: datetime, renew: Collection[str] = ()
) -> dict[str, bytes]:
    """Return the unsigned files that put the changes into force; roles in `renew` only get a new date."""
    files: dict[str, bytes] = {}
    if IMAGE_ROOT in renew or IN_IMAGE_ROOT & changes.keys():
        root = _root(current.image, IMAGE, changes, now)
        files[f"image/{root.version}.root.json"] = sign(root, ())
    if IMAGE_TARGETS in renew or {IMAGE_TARGETS, IMAGE_RELEASE} & changes.keys():
        top = _targets(current.targets, changes, now)
        files[f"image/{top.version}.targets.json"] = sign(top, ())
    if IMAGE_RELEASE in renew or IMAGE_RELEASE in changes:
        for component, role in current.roles.items():
            newer = build_release_role(role.version + 1, now + RELEASE_ROLE_LIFETIME, role.targets.values())
            files[f"image/{newer.version}.{role_name(component)}.json"] = sign(newer, ())
    if DIRECTOR_ROOT in renew or IN_DIRECTOR_ROOT & changes.keys():
        root = _root(current.director, DIRECTOR, changes, now)
        files[f"director/{root.version}.root.json"] = sign(root, ())
    return files


def delegators_of(current: Current, files: Mapping[str, bytes]) -> dict[str, tuple[Delegator, ...]]:
    """Who judges each file. Raises UntrustedRelease where a file does not follow what is in force."""
    parsed = {name: read_signed(raw).signed for name, raw in files.items()}
    image, targets = current.image, current.targets
    for name, signed in parsed.items():
        if name == f"image/{signed.version}.root.json" and isinstance(signed, Root):
            image = signed
        if name == f"image/{signed.version}.targets.json" and isinstance(signed, Targets):
            targets = signed
    found: dict[str, tuple[Delegator, ...]] = {}
    for name, signed in parsed.items():
        before, judges = _judges(name, signed, current, image, targets)
        if signed.version != before + 1 or name.partition("/")[2].partition(".")[0] != str(signed.version):
            message = f"{name} does not follow version {before}, which is in force here."
            hint = "Copy repository/ from the keys folder in which the rotation was made, and look why they differ."
            raise UntrustedRelease("metadata_untrusted", message, hint)
        found[name] = judges
    return found


def standings(current: Current, files: Mapping[str, bytes]) -> dict[str, Standing]:
    judges = delegators_of(current, files)
    return {name: standing(raw, judges[name]) for name, raw in files.items()}


def key_role_of(name: str) -> str:
    """Which key role signs a file of a rotation."""
    repository, _, rest = name.partition("/")
    role = rest.split(".")[1] if rest.count(".") == 2 else ""
    if role == "root":
        return IMAGE_ROOT if repository == IMAGE else DIRECTOR_ROOT
    if repository == IMAGE and (role == "targets" or role.startswith("rel-")):
        return IMAGE_TARGETS if role == "targets" else IMAGE_RELEASE
    raise Invalid("malformed", f"{name[:80]!r} is no file of a rotation.")


def _judges(
    name: str, signed: Root | Targets, current: Current, image: Root, targets: Targets
) -> tuple[int, tuple[Delegator, ...]]:
    """The version in force before a file, and whose keys must sign it."""
    kind = key_role_of(name)
    if isinstance(signed, Root):
        before = current.image if kind == IMAGE_ROOT else current.director
        same = all(signed.unrecognized_fields.get(x) == before.unrecognized_fields.get(x) for x in (X_REPO, X_FLEET))
        if kind not in (IMAGE_ROOT, DIRECTOR_ROOT) or not same:
            raise UntrustedRelease("wrong_repository", f"{name} is a root of another repository or fleet.")
        return before.version, (Delegator(before, "root"), Delegator(signed, "root"))
    if kind == IMAGE_TARGETS:
        return current.targets.version, (Delegator(image, "targets"),)
    component = name.split(".")[1].removeprefix("rel-")
    if kind != IMAGE_RELEASE or component not in delegated_components(targets):
        raise UntrustedRelease("metadata_untrusted", f"{name} is delegated by nobody.")
    role = current.roles.get(component)
    return role.version if role else 0, (Delegator(targets, role_name(component)),)


def _root(before: Root, repository: str, changes: Mapping[str, RoleKeys], now: datetime) -> Root:
    if repository == IMAGE:
        roles = {tuf: changes.get(name) or keys_in(before, tuf) for name, tuf in TUF_ROLE.items()}
        halt = None
    else:
        roles = dict.fromkeys(DIRECTOR_SIGNS, changes.get(DIRECTOR_KEY) or keys_in(before, "targets"))
        roles["root"] = changes.get(DIRECTOR_ROOT) or keys_in(before, "root")
        halt = changes.get(HALT_KEY) or halt_keys(before)
    fleet = str(before.unrecognized_fields.get(X_FLEET, ""))
    return build_root(repository, fleet, before.version + 1, now, now + OFFLINE_LIFETIME, roles, halt)


def _targets(before: Targets, changes: Mapping[str, RoleKeys], now: datetime) -> Targets:
    delegated = delegated_components(before)
    if IMAGE_RELEASE in changes:
        delegated = dict.fromkeys(delegated, changes[IMAGE_RELEASE])
    return build_targets(before.version + 1, now + OFFLINE_LIFETIME, delegated)


def keys_in(root: Root, role: str) -> RoleKeys:
    """Who may sign one of a root's own roles."""
    listed = root.roles[role]
    return RoleKeys(tuple(root.keys[keyid] for keyid in listed.keyids), listed.threshold)


def halt_keys(root: Root) -> RoleKeys:
    """Who may sign the halt list, by the director's root. Raises UntrustedRelease."""
    try:
        halt = root.unrecognized_fields[X_HALT]
        keys = tuple(Key.from_dict(keyid, dict(halt["keys"][keyid])) for keyid in halt["keyids"])
        return RoleKeys(keys, halt["threshold"])
    except (KeyError, TypeError, ValueError, RepositoryError) as error:
        raise UntrustedRelease("metadata_untrusted", "The director's root has no usable halt role.") from error
