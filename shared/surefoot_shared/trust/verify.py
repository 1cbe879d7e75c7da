"""Uptane's full verification for one device: may it run what the director wants, and did the release keys list it?

A failure of the bundle as a whole raises UntrustedRelease (or ConfigError where the device has no root): nothing
changes but metadata that was verified before the failure. A failure of one assignment becomes a `Refused` with its
reason, and the other assignments stand. The counter floor is only read here; it follows what is committed. Expiry is
never checked again after this decision. Source: Uptane 2.1, full verification; DESIGN §6.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import TargetFile, Targets

from surefoot_shared import wire
from surefoot_shared.errors import Invalid, UntrustedRelease
from surefoot_shared.notes import AssignmentNote, MetadataVersions
from surefoot_shared.release import MANIFEST_LIMIT_BYTES, TargetNote, role_name, target_path
from surefoot_shared.trust.bundle import Bundle, unpack
from surefoot_shared.trust.clock import parse_time, trusted_time
from surefoot_shared.trust.durable import locked, sync_trees
from surefoot_shared.trust.fields import DIRECTOR, IMAGE, X_DEVICE, X_NONCE, X_SIGNED_AT
from surefoot_shared.trust.floors import FloorStore
from surefoot_shared.trust.halt import verify_halt
from surefoot_shared.trust.permit import Permit, may_use, permit_folder, permit_path
from surefoot_shared.trust.policy import Policy, policy_path
from surefoot_shared.trust.target import check_target
from surefoot_shared.trust.updater import Refreshed, Source, halt_keys, read_bootstrap, time_keys, trusted_root
from surefoot_shared.trust.versions import metadata_versions

PERMITS_LIMIT = 200
"""Permits of one component that a device looks at; they are pruned like releases."""


@dataclass(frozen=True, slots=True)
class Approved:
    """An assignment that both repositories agree on; `target` is what the release keys signed about it."""

    note: AssignmentNote
    digest: str
    manifest_size: int
    target: TargetNote


@dataclass(frozen=True, slots=True)
class Refused:
    """An assignment of this device that must not run; `kind` is one of errors.KINDS."""

    note: AssignmentNote
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What the verified metadata says now; a component without an entry has no assignment."""

    approved: tuple[Approved, ...]
    refused: tuple[Refused, ...]
    director_version: int
    image: MetadataVersions
    director: MetadataVersions
    signed_at: str
    halt_epoch: int
    halted: tuple[str, ...]
    halt_root: int
    clock_source: str


def decide(
    trust_folder: Path, device: str, hw: str, raw: bytes, system_now: datetime, nonces: Collection[str] = ()
) -> Verified:
    """Verify a bundle against this device's trust folder and return what the device may do.

    `trust_folder` holds bootstrap/, image/, director/ and the floors; `nonces` are those of this process's hellos: a
    director's timestamp that answers one was signed after it, so its time is believed over a clock that is ahead.
    Raises UntrustedRelease, ConfigError(not_enrolled), InstallFailed(journal_unreadable) or OSError.
    """
    with locked(trust_folder):
        bundle = unpack(raw)
        if bundle.device != device:
            raise UntrustedRelease("wrong_device", f"The bundle was made for {bundle.device[:70]!r}.")
        return _Decision(trust_folder, device, hw, bundle, system_now, nonces).verified()


def accept_halt(trust_folder: Path, raw: bytes, system_now: datetime) -> tuple[int, tuple[str, ...], int]:
    """Verify a halt list and remember it; raises UntrustedRelease. Equal epochs are harmless.

    Returns (epoch, digests, version of the director's root that says who may sign it).
    """
    with locked(trust_folder):
        store = FloorStore(trust_folder)
        floors = store.load()
        root = trusted_root(trust_folder, DIRECTOR)
        seen = floors.seen.get(f"{DIRECTOR}.root")
        if seen and seen.version > root.version:
            raise UntrustedRelease("metadata_rollback", "The stored chain of director roots is incomplete.")
        halt = verify_halt(raw, root, trusted_time(system_now, floors.time_by(time_keys(root))).at)
        keys = halt_keys(root)
        # New keys start a new count: otherwise a thief's last epoch would be the last one for ever.
        if halt.epoch < floors.halt_epoch and floors.halt_keys in ("", keys):
            message = f"The halt list has epoch {halt.epoch}; this device has verified {floors.halt_epoch}."
            raise UntrustedRelease("metadata_rollback", message)
        listed = replace(floors, halt_epoch=halt.epoch, halted=halt.digests)
        store.save(replace(listed, halt_keys=keys, halt_root=root.version))
        return halt.epoch, halt.digests, root.version


class _Decision:
    """One verification, from bundle to values."""

    def __init__(
        self,
        trust_folder: Path,
        device: str,
        hw: str,
        bundle: Bundle,
        system_now: datetime,
        nonces: Collection[str],
    ) -> None:
        self._folder, self._device, self._hw, self._nonces = trust_folder, device, hw, nonces
        self._answered = _answered(bundle, nonces)
        self._bundle, self._system_now = bundle, system_now
        self._store = FloorStore(trust_folder)
        self._floors = self._store.load()

    def verified(self) -> Verified:
        """What was verified stays known, also where the rest failed: first the files, then the floors, each once."""
        try:
            return self._verified()
        finally:
            sync_trees(self._folder / DIRECTOR, self._folder / IMAGE)
            self._store.save(self._floors)

    def _verified(self) -> Verified:
        director = self._refresh(DIRECTOR, self._bundle.director, self._device)
        self._refuse_false_answer(director)
        notes = director_notes(director.targets, self._device)
        self._refuse_foreign(director)
        signed_at = self._raise_time(director)
        image = self._refresh(IMAGE, self._bundle.image, None) if notes or self._bundle.image else None
        judged = [self._judge(image, entry, note) for entry, note in notes] if image else []
        if image:
            self._follow_idle_policies(image, {note.component for _, note in notes})
        held_image, held_director = metadata_versions(self._folder)
        return Verified(
            approved=tuple(each for each in judged if isinstance(each, Approved)),
            refused=tuple(each for each in judged if isinstance(each, Refused)),
            director_version=director.targets.version,
            image=held_image,
            director=held_director,
            signed_at=signed_at,
            halt_epoch=self._floors.halt_epoch,
            halted=self._floors.halted,
            halt_root=self._floors.halt_root,
            clock_source=director.time.source,
        )

    def _refresh(self, repository: str, files: Mapping[str, str], device: str | None) -> Refreshed:
        bootstrap = read_bootstrap(self._folder, repository)
        source = Source(repository, self._folder / repository, files, device, bootstrap)
        try:
            refreshed = Refreshed(source, self._floors, self._system_now, self._answered)
        except UntrustedRelease as error:
            if error.kind != "metadata_expired" or repository != DIRECTOR or not self._time_is_void():
                raise
            refreshed = Refreshed(source, self._floors, self._system_now, self._answered)
        self._floors = self._floors.with_seen(refreshed.seen)
        return refreshed

    def _time_is_void(self) -> bool:
        """The root that came with this very bundle dropped the keys that told the time floor."""
        keys = time_keys(trusted_root(self._folder, DIRECTOR))
        return self._floors.time_keys not in ("", keys)

    def _refuse_foreign(self, director: Refreshed) -> None:
        """The guard saw what came in a bundle; this sees what is trusted, whatever way it came."""
        for signed in (director.targets, director.snapshot, director.timestamp):
            if signed.unrecognized_fields.get(X_DEVICE) != self._device:
                raise UntrustedRelease("wrong_device", f"The director's {signed.type} is not for this device.")

    def _refuse_false_answer(self, director: Refreshed) -> None:
        """What was read before the signature must be what was signed; an equal, older timestamp may stand instead."""
        fields = director.timestamp.unrecognized_fields
        same = fields.get(X_NONCE) in self._nonces and parse_time(fields.get(X_SIGNED_AT)) == self._answered
        if director.time.source == "nonce" and not same:
            raise UntrustedRelease("metadata_expired", "The director's answer is not to this device's question.")

    def _raise_time(self, director: Refreshed) -> str:
        signed_at = director.timestamp.unrecognized_fields.get(X_SIGNED_AT)
        at = parse_time(signed_at)
        # Without this bound a stolen online key could push a fleet's clock beyond every expiry for good; with it a new
        # root, which only the offline keys can sign, is enough to come back.
        if at is None or at > min(director.timestamp.expires, director.root.expires):
            raise UntrustedRelease(
                "metadata_untrusted", "The director's timestamp does not say credibly when it was signed."
            )
        self._floors = self._floors.with_time(signed_at, time_keys(director.root))
        return str(signed_at)

    def _judge(self, image: Refreshed, entry: TargetFile, note: AssignmentNote) -> Approved | Refused:
        try:
            return self._approve(image, entry, note)
        except UntrustedRelease as error:
            if error.kind == "bundle_malformed":
                raise  # a file is missing: the bundle is at fault, not the assignment, and the next bundle may be whole
            return Refused(note, error.kind, error.message)

    def _approve(self, image: Refreshed, entry: TargetFile, note: AssignmentNote) -> Approved:
        listed = self._listed(image, note.component, entry.path)
        if listed is None:
            raise UntrustedRelease("not_released", f"The release keys do not list {entry.path}.")
        if listed.length != entry.length or listed.hashes != entry.hashes:
            raise UntrustedRelease(
                "target_mismatch", f"The director names other bytes for {entry.path} than were released."
            )
        target = _target_note(listed, note)
        digest = listed.hashes["sha256"]
        if digest in self._follow_policy(image, note.component).revoked:
            raise UntrustedRelease(
                "not_released", f"The release keys have revoked {target.component} {target.version}."
            )
        permitted = self._permitted(image, target, note, digest)
        check_target(target, note.intent, self._hw, self._floors, permitted)
        return Approved(note, digest, listed.length, target)

    def _listed(self, image: Refreshed, component: str, path: str) -> TargetFile | None:
        listed = image.target(path)
        self._floors = self._floors.with_seen(image.seen_role(role_name(component), self._floors))
        return listed

    def _permitted(self, image: Refreshed, target: TargetNote, note: AssignmentNote, digest: str) -> bool:
        """Use up a permit where one is needed and covers this; looked for only below the floor."""
        component = note.component
        role = image.role(role_name(component))
        if role is None or target.svn >= self._floors.svn.get(component, 0) or self._hw not in target.hw:
            return False
        folder, runs = permit_folder(component), self._floors.committed_digest.get(component)
        for path in sorted(path for path in role.targets if path.startswith(folder))[:PERMITS_LIMIT]:
            permit = _read_permit(image.target(path))
            if permit is None or permit.component != component or path != permit_path(component, permit.id):
                continue
            usable = may_use(self._floors.used_permits, permit.id, note.assignment)
            if usable and permit.covers(self._device, runs, digest, image.time.at):
                self._floors = self._floors.with_permit(permit.id, note.assignment)
                return True
        return False

    def _follow_policy(self, image: Refreshed, component: str) -> Policy:
        """Read the component's signed policy, where there is one, and let the floors know its minimum."""
        listed = self._listed(image, component, policy_path(component))
        policy = Policy(component) if listed is None else _read_policy(listed, component)
        self._floors = self._floors.with_policy(policy)
        if role := image.role(role_name(component)):
            self._floors = self._floors.with_role(component, role.expires)
        return policy

    def _follow_idle_policies(self, image: Refreshed, assigned: set[str]) -> None:
        """A minimum is named after the rollout, when nothing is assigned any more; the role then comes along."""
        for component in sorted(set(self._floors.committed_svn) - assigned):
            suffix = f".{role_name(component)}.json"
            if any(name.endswith(suffix) for name in self._bundle.image):
                # A bad role of a component that wants nothing allows nothing: it must not stop the other components.
                with suppress(UntrustedRelease):
                    self._follow_policy(image, component)


def director_notes(targets: Targets, device: str) -> Sequence[tuple[TargetFile, AssignmentNote]]:
    """Read the assignments; raises UntrustedRelease where the director's targets are not what a director may sign."""
    if targets.delegations is not None:
        raise UntrustedRelease("metadata_untrusted", "The director delegates, which it must not.")
    notes = [(entry, _assignment_note(entry, device)) for _, entry in sorted(targets.targets.items())]
    components = [note.component for _, note in notes]
    if len(set(components)) != len(components):
        raise UntrustedRelease("duplicate_assignment", "The director assigns two releases to one component.")
    return notes


def _assignment_note(entry: TargetFile, device: str) -> AssignmentNote:
    try:
        note = wire.from_json(AssignmentNote, entry.custom)
    except Invalid as error:
        raise UntrustedRelease("bundle_malformed", f"An assignment cannot be read: {error.message}") from error
    if note.device != device:
        raise UntrustedRelease("wrong_device", f"An assignment names device {note.device[:70]!r}.")
    return note


def _read_policy(listed: TargetFile, component: str) -> Policy:
    try:
        policy = wire.from_json(Policy, listed.custom)
    except Invalid as error:
        message = f"The policy of {component} is unreadable: {error.message}"
        raise UntrustedRelease("metadata_untrusted", message) from error
    if policy.component != component:
        raise UntrustedRelease("metadata_untrusted", f"The policy of {component} is for {policy.component}.")
    return policy


def _read_permit(listed: TargetFile | None) -> Permit | None:
    """A permit that cannot be read permits nothing."""
    try:
        return wire.from_json(Permit, listed.custom) if listed else None
    except Invalid:
        return None


def _answered(bundle: Bundle, nonces: Collection[str]) -> datetime | None:
    """When the director says it answered one of these nonces; not verified yet, see _refuse_false_answer."""
    try:
        signed = json.loads(bundle.director.get("timestamp.json", ""))["signed"]
        return parse_time(signed[X_SIGNED_AT]) if signed[X_NONCE] in nonces else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _target_note(listed: TargetFile, note: AssignmentNote) -> TargetNote:
    try:
        target = wire.from_json(TargetNote, listed.custom)
    except Invalid as error:
        raise UntrustedRelease(
            "manifest_malformed", f"The signed note of {listed.path} is unreadable: {error.message}"
        ) from error
    same = target.component == note.component and listed.path == target_path(target.component, target.version)
    if not same or "sha256" not in listed.hashes:
        raise UntrustedRelease("target_mismatch", f"{listed.path} is not a release of {note.component}.")
    if listed.length > MANIFEST_LIMIT_BYTES:
        raise UntrustedRelease("manifest_malformed", f"The manifest {listed.path} is larger than a device will read.")
    return target
