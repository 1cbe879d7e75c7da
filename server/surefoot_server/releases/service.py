"""Publish releases: what the release keys signed becomes known to the server, whole, or not at all.

Promises: every blob of the manifest is in the store before anything is accepted; the signed role metadata is verified
by the online repository before a row is written; publishing the same release twice changes nothing, another one under
the same version is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sqlmodel import Session

from surefoot_server.audit import service as audit
from surefoot_server.db import Database
from surefoot_server.findings import service as findings
from surefoot_server.findings.bill import LIMIT_BYTES
from surefoot_server.findings.bill import parse as parse_bill
from surefoot_server.releases import repository
from surefoot_server.releases.blobs import BlobStore
from surefoot_server.releases.models import Release
from surefoot_shared.errors import Conflict
from surefoot_shared.release import Manifest, TargetNote, digest_of, parse_manifest

NAMED = 3
"""How many missing blobs a refusal names; the whole list would bury the sentence."""


class Publisher(Protocol):
    """The part of the online repository that takes releases in."""

    def accept_release(self, role_metadata: bytes, manifest: bytes) -> TargetNote: ...


class ReleaseService:
    def __init__(self, db: Database, blobs: BlobStore, publisher: Publisher) -> None:
        self._db, self._blobs, self._publisher = db, blobs, publisher

    def publish(self, role_metadata: bytes, manifest: bytes, actor: str, now: datetime) -> Release:
        """Verify and take in a signed release. Raises UntrustedRelease, or Conflict with the reason."""
        parsed = parse_manifest(manifest)
        release_id, digest = f"{parsed.component}/{parsed.version}", digest_of(manifest)
        with self._db.read() as session:
            known = repository.find(session, release_id)
        if known is not None:
            _same(known, digest)
        self._check_blobs(parsed)
        bill = self._bill(parsed)
        self._publisher.accept_release(role_metadata, manifest)
        self._blobs.put(digest, manifest)  # devices fetch it like any other blob
        with self._db.write() as session:
            return self._store(session, parsed, digest, len(manifest), bill, actor, now)

    def soak_s(self, digests: Sequence[str]) -> float:
        """How long the longest of these runs after the switch before it may commit; 0 where no manifest is there."""
        found = [0.0]
        for digest in digests:
            if self._blobs.has(digest):
                found.append(parse_manifest(self._blobs.existing(digest).read_bytes()).probation.soak_s)
        return max(found)

    def _bill(self, manifest: Manifest) -> bytes | None:
        """The bill of materials that the manifest names, parsed once so that nothing is signed in that cannot be."""
        if manifest.sbom is None:
            return None
        raw = self._blobs.read(manifest.sbom, 0, LIMIT_BYTES + 1)
        parse_bill(raw)
        return raw

    def _store(
        self,
        session: Session,
        manifest: Manifest,
        digest: str,
        size_bytes: int,
        bill: bytes | None,
        actor: str,
        now: datetime,
    ) -> Release:
        release_id = f"{manifest.component}/{manifest.version}"
        known = repository.find(session, release_id)
        if known is not None:  # published by a second request meanwhile
            return _same(known, digest)
        row = Release(
            id=release_id,
            component=manifest.component,
            version=manifest.version,
            counter=manifest.counter,
            svn=manifest.svn,
            hw=list(manifest.hw),
            digest=digest,
            manifest_size=size_bytes,
            total_bytes=manifest.installed_size_bytes,
            notes=manifest.notes,
            published_at=now,
            published_by=actor,
        )
        session.add(row)
        session.flush()
        repository.adopt_running(session, row)
        if bill is not None:
            findings.take_bill(session, release_id, bill, actor, now)
        detail = {"digest": digest, "counter": manifest.counter, "svn": manifest.svn, "hw": list(manifest.hw)}
        audit.record(session, actor, "release.publish", f"release:{release_id}", detail, now)
        return row

    def _check_blobs(self, manifest: Manifest) -> None:
        named = [*manifest.blobs, *([manifest.sbom] if manifest.sbom else [])]
        wrong = self._blobs.missing(named) or _misfits(manifest, self._blobs)
        if wrong:
            raise Conflict(
                "artifact_missing",
                f"{len(wrong)} of the release's files are not on the server: {_named(wrong)}.",
                "Upload them first; `surefoot release publish` does.",
            )


def _misfits(manifest: Manifest, blobs: BlobStore) -> list[str]:
    """Blobs whose stated size is not the real one: the device would find out too late."""
    wanted = [(file.sha256, file.size) for file in manifest.files] or manifest.blobs.items()
    return [sha256 for sha256, size in wanted if blobs.size(sha256) != size]


def _named(names: Sequence[str]) -> str:
    return ", ".join(name[:12] for name in names[:NAMED]) + (" and more" if len(names) > NAMED else "")


def _same(known: Release, digest: str) -> Release:
    """Return the row of the identical release. A newer role that lists it again is still taken in by the caller."""
    if known.digest != digest:
        raise Conflict(
            "conflict", f"{known.id} is already published with other contents.", "Give the release a new version."
        )
    return known
