"""`surefoot release cosign`: the next person signs the same role, on another machine, from the files of the release.

Promises: what is signed is what was built and what follows this machine's own copy of the repository: the top level in
the folder must be signed by the root's keys, the role must list exactly this manifest, and no release that was signed
before may have changed, neither its bytes nor for whom it is. What the role adds, takes away and demands, and until
when it counts, is told before anything is signed; a role that says anything else is refused. Needs no server.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Targets

from surefoot_server.keys.ceremony import Delegator, cosigned, merged, read_signed, standing
from surefoot_server.keys.changes import demands, refuse_more_than_entries
from surefoot_server.keys.image import newest_root
from surefoot_server.keys.layout import IMAGE_RELEASE, KeyFolder, versions_of
from surefoot_server.keys.offline import delegated_components, read_role_file
from surefoot_server.keys.signers import KeyRing, Passphrase
from surefoot_server.releases.build import ROLE_FILE, TARGETS_FILE, ReleaseFolder, read_release
from surefoot_server.releases.sign import SignedRelease, no_release_key, read_role, read_top, signed_release
from surefoot_shared.errors import Conflict, UntrustedRelease
from surefoot_shared.release import role_name
from surefoot_shared.trust.durable import locked, write_durably
from surefoot_shared.trust.repository import release_target


@dataclass(frozen=True, slots=True)
class Review:
    """What a signature would say: paths that the role lists now and not before here, and the other way round."""

    component: str
    version: str
    digest: str
    role_version: int
    known_version: int
    """The version before, in this machine's keys folder, that it is compared with."""
    added: tuple[str, ...]
    removed: tuple[str, ...]
    demands: tuple[str, ...]
    """Policies and permits that are new or say something new, with all they say."""
    expires: datetime
    signed: tuple[str, ...]


def review(folder: Path, keys_dir: Path, now: datetime) -> Review:
    """Check a release before signing it. Raises UntrustedRelease, Conflict, Invalid, ConfigError."""
    keys, release = KeyFolder(keys_dir), read_release(folder)
    root, top, name = newest_root(keys.image), read_top(release), role_name(release.manifest.component)
    _refuse_foreign(root, release, now)
    raw = read_role(release)
    found = read_signed(raw).signed
    if not isinstance(found, Targets):
        raise UntrustedRelease("metadata_untrusted", f"{ROLE_FILE} in {folder} is no role of a component.")
    role = found
    refuse_more_than_entries(ROLE_FILE, role)
    target = release_target(release.raw)
    if role.targets.get(target.path) != target:
        raise UntrustedRelease("target_mismatch", f"{ROLE_FILE} does not list the manifest in {folder}.")
    older = [version for version in versions_of(keys.image, name) if version < role.version]
    path = keys.image / f"{older[-1]}.{name}.json" if older else None
    known = read_role_file(path) if path else None
    before = known.targets if known else {}
    for each, listed in role.targets.items():
        if each.startswith("releases/") and each in before and before[each] != listed:
            raise Conflict(
                "conflict",
                f"{each} was signed with other bytes, or for others.",
                "Ask who made this role; do not sign.",
            )
    return Review(
        component=release.manifest.component,
        version=release.manifest.version,
        digest=release.digest,
        role_version=role.version,
        known_version=known.version if known else 0,
        added=tuple(sorted(role.targets.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - role.targets.keys())),
        demands=demands(before, role.targets),
        expires=role.expires,
        signed=standing(raw, (Delegator(top, name),)).signed,
    )


def cosign_release(
    folder: Path,
    keys_dir: Path,
    passphrase: Passphrase,
    now: datetime,
    *,
    offline: tuple[Path, ...] = (),
    key: str | None = None,
) -> SignedRelease:
    """Add the signatures that can be made here. Raises what `review` does, and ConfigError where no key can sign."""
    seen = review(folder, keys_dir, now)
    keys, release, name = KeyFolder(keys_dir), read_release(folder), role_name(seen.component)
    top, raw = read_top(release), read_role(release)
    ring = KeyRing(keys_dir, passphrase, offline=offline, only=key)
    signers = ring.signers(IMAGE_RELEASE, delegated_components(top)[seen.component].keys)
    if not signers:
        raise no_release_key(ring, seen.component)
    judges = (Delegator(top, name),)
    with locked(keys.image):
        own = keys.image / f"{seen.role_version}.{name}.json"
        if own.exists():
            raw = merged(own.read_bytes(), raw, judges)
        signed = cosigned(raw, judges, signers)
        found = standing(signed, judges)
        if found.signed == seen.signed and not found.complete:
            mine = "The keys here have signed already"
            raise Conflict("conflict", f"{mine}; {', '.join(found.may_sign)} can.", "Hand the folder on.")
        write_durably(own, signed, mode=0o644)
        write_durably(folder / ROLE_FILE, signed, mode=0o644)
    return signed_release(release)


def _refuse_foreign(root: Root, release: ReleaseFolder, now: datetime) -> None:
    """The keys that count are those that the root's own targets name, not those that the folder claims."""
    try:
        top = Metadata[Targets].from_bytes((release.folder / TARGETS_FILE).read_bytes())
        root.verify_delegate(Targets.type, top.signed_bytes, top.signatures)
    except RepositoryError as error:
        hint = "Copy repository/ from the keys folder in which the release was signed, and look why they differ."
        message = f"{TARGETS_FILE} in {release.folder} is not signed by this fleet's keys: {error}"
        raise UntrustedRelease("metadata_untrusted", message, hint) from error
    if top.signed.is_expired(now):
        raise UntrustedRelease("metadata_expired", f"{TARGETS_FILE} in {release.folder} has expired.")
