"""What releases are made of and what is known of it: bills, provenance, imported advisories, findings and waivers.

Promises: a finding is looked up in what is imported at that moment, never remembered; what an import finds that was not
known of a release before has an audit row, and stops rollouts where the channel says so. A waiver has a person, a
reason and an end. Refuses a provenance statement that is about something else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlmodel import Session

from surefoot_server.audit import service as audit
from surefoot_server.channels import requirements
from surefoot_server.db import Database
from surefoot_server.findings import bill, osv, provenance, repository
from surefoot_server.findings.builders import PROVENANCE
from surefoot_server.findings.dsse import Key
from surefoot_server.findings.matching import Finding, OnFinding, Scanned, Waived, merged
from surefoot_server.findings.models import AdvisorySource, FindingWaiver, ReleaseDocument
from surefoot_server.findings.severity import Severity
from surefoot_server.releases import repository as releases
from surefoot_server.rollouts.triggers import Do
from surefoot_shared.errors import Conflict, Invalid, NotFound
from surefoot_shared.wire import Json

SBOM = "sbom"
LACKS = (SBOM, PROVENANCE, "builder", "scan")
"""Requirements of channels that may be waived as a whole."""


class Advises(Protocol):
    """The part of the feedback service that stores an advisory and stops rollouts."""

    def advise(self, release_id: str, do: Do, reason: str, reference: str, by: str, now: datetime) -> object: ...


class Blobs(Protocol):
    def put(self, sha256: str, raw: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class News:
    """What an import found that was not known of a release before."""

    release: str
    devices: int
    findings: Sequence[Finding]
    did: str


@dataclass(frozen=True, slots=True)
class Concern:
    """A release that devices run although something is known of it."""

    release: str
    devices: int
    findings: Sequence[Finding]

    @property
    def told(self) -> str:
        worst, more = self.findings[0], len(self.findings) - 1
        also = f" and {more} more" if more else ""
        runs = "1 device runs" if self.devices == 1 else f"{self.devices} devices run"
        return f"{runs} {self.release}, which has {worst.told}{also}."


# --- documents --------------------------------------------------------------------------------------------------------


def take_bill(session: Session, release_id: str, raw: bytes, by: str, now: datetime) -> int:
    """Store the parts of a release's bill in the transaction that publishes it; returns how many. Raises Invalid."""
    found = bill.parse(raw)
    session.add(_document(release_id, SBOM, raw, by, now))
    session.flush()
    repository.add_parts(session, release_id, found)
    repository.tell(session, release_id, {f.id for f in _findings(session, release_id, now)})
    return len(found)


def stored(session: Session, release_id: str, kind: str) -> ReleaseDocument:
    """The document of a kind; raises NotFound."""
    row = repository.document(session, release_id, kind)
    if row is None:
        raise NotFound("not_found", f"{release_id} has no {kind}.", "`surefoot release scan` says what it has.")
    return row


def attest(
    session: Session, blobs: Blobs, release_id: str, raw: bytes, by: str, now: datetime, keys: Sequence[Key] = ()
) -> ReleaseDocument:
    """Store a provenance statement, bare or in a DSSE envelope; raises Invalid, or Conflict where there is one.

    `keys`: of the builders, for the record: what the statement is worth later hangs on the keys that there are then.
    """
    release = releases.get(session, release_id)
    if release.digest not in provenance.parse(raw).digests:
        raise provenance.unfit(
            f"none of its subjects is {release_id}, whose manifest.json has the sha256 {release.digest}"
        )
    if repository.document(session, release_id, PROVENANCE) is not None:
        raise Conflict("conflict", f"{release_id} has a provenance statement.", "It is never replaced.")
    row = _document(release_id, PROVENANCE, raw, by, now)
    blobs.put(row.sha256, raw)
    session.add(row)
    found = provenance.judged(raw, release.digest, keys)
    detail = {"sha256": row.sha256, "builder": found.builder, "predicate": found.predicate_type, "said": found.told}
    audit.record(session, by, "release.attest", f"release:{release_id}", detail, now)
    return row


def _document(release_id: str, kind: str, raw: bytes, by: str, now: datetime) -> ReleaseDocument:
    return ReleaseDocument(release_id=release_id, kind=kind, sha256=hashlib.sha256(raw).hexdigest(), at=now, by=by)


# --- findings ---------------------------------------------------------------------------------------------------------


def scanned(session: Session, release_id: str, now: datetime) -> Scanned | None:
    """What is known of the release's parts now; None where it has no bill of materials."""
    if repository.document(session, release_id, SBOM) is None:
        return None
    rows = repository.parts(session, release_id)
    newest = {s.ecosystem: s.newest for s in repository.sources(session)}
    families = {row.ecosystem.partition(":")[0] for row in rows if row.ecosystem}
    ages = {f: (now - newest[f]).total_seconds() if f in newest else None for f in families}
    judged = sum(1 for row in rows if row.ecosystem)
    return Scanned(len(rows), judged, ages, _findings(session, release_id, now))


def waived(session: Session, release_id: str, now: datetime) -> list[Waived]:
    rows = repository.waivers(session, release_id, standing_at=now)
    return [Waived(w.about, w.by, w.reason, w.until.isoformat() if w.until else None) for w in rows]


def _findings(session: Session, release_id: str, now: datetime) -> list[Finding]:
    found = (
        Finding(
            ids=(known.osv_id, *known.aliases),
            ecosystem=part.ecosystem,
            package=part.package,
            version=part.version,
            severity=Severity(known.severity),
            score=known.score,
            fixed=tuple(at for events in known.ranges for what, at in events if what == "fixed"),
            summary=known.summary,
        )
        for part, known in repository.known_of(session, release_id)
        if osv.hits(part.ecosystem, part.version, known.ranges, known.versions)
    )
    return merged(found, waived(session, release_id, now))


def concerns(session: Session, now: datetime, least: Severity = Severity.HIGH) -> list[Concern]:
    """Releases that devices run and of which something this bad, or unrated, is known and not waived."""
    found, run_by = [], repository.run_by(session)
    for release in repository.with_bill(session):
        if release not in run_by:
            continue
        bad = [f for f in _findings(session, release, now) if f.waiver is None and _counts(f, least)]
        if bad:
            found.append(Concern(release, run_by[release], bad))
    return found


def _counts(finding: Finding, least: Severity) -> bool:
    return finding.severity is Severity.UNRATED or finding.severity.rank >= least.rank


# --- waivers ----------------------------------------------------------------------------------------------------------


def waive(
    session: Session, release_id: str, about: str, reason: str, valid_s: float | None, by: str, now: datetime
) -> FindingWaiver:
    """Let a finding, or a lack (`sbom`, `provenance`, `builder`, `scan`), not count for this release."""
    releases.get(session, release_id)
    names = {name for f in _findings(session, release_id, now) for name in f.ids}
    if about not in names.union(LACKS):
        hint = f"`surefoot release scan {release_id}` lists what is; sbom, provenance, builder, scan may be waived too."
        raise NotFound("not_found", f"{about!r} is no finding of {release_id}.", hint)
    until = None if valid_s is None else now + timedelta(seconds=valid_s)
    row = FindingWaiver(release_id=release_id, about=about, reason=reason, at=now, by=by, until=until)
    session.add(row)
    session.flush()
    detail = {"about": about, "reason": reason, "until": until.isoformat() if until else None, "waiver": row.id}
    audit.record(session, by, "release.waive", f"release:{release_id}", detail, now)
    return row


def withdraw_waiver(session: Session, waiver_id: int, by: str, now: datetime) -> FindingWaiver:
    row = session.get(FindingWaiver, waiver_id)
    if row is None:
        raise NotFound("not_found", f"There is no waiver {waiver_id}.", "`surefoot release scan` shows a release's.")
    if row.withdrawn_at is None:
        row.withdrawn_at, row.withdrawn_by = now, by
        session.add(row)
        detail = {"waiver": waiver_id, "about": row.about}
        audit.record(session, by, "waiver.withdraw", f"release:{row.release_id}", detail, now)
    return row


# --- imports ----------------------------------------------------------------------------------------------------------


class Importer:
    """Takes OSV records in batches, and says at the end what is new."""

    def __init__(self, db: Database, advises: Advises) -> None:
        self._db, self._advises = db, advises

    def take(self, records: Sequence[Json], file: str, by: str, now: datetime) -> tuple[int, int]:
        """Store a batch; returns (records taken, records that cannot be read)."""
        read: dict[str, tuple[osv.Vulnerability, ...]] = {}
        unreadable = 0
        for each in records:
            try:
                name, about = osv.parse(each)
                read[name] = about
            except Invalid:
                unreadable += 1
        found = [v for about in read.values() for v in about]
        with self._db.write() as session:
            repository.replace(session, list(read), found)
            for family, newest in _newest(found, now).items():
                row = session.get(AdvisorySource, family)
                row = row or AdvisorySource(ecosystem=family, newest=newest, imported_at=now, imported_by=by, file=file)
                row.newest, row.imported_at = max(row.newest, newest), now
                row.imported_by, row.file = by, file
                session.add(row)
        return len(read), unreadable

    def finish(self, file: str, records: int, by: str, now: datetime) -> list[News]:
        """Look at every release that has a bill, and follow what its channels say about what is new."""
        with self._db.write() as session:
            audit.record(session, by, "advisory.import", "advisories", {"file": file, "records": records}, now)
            run_by, found = repository.run_by(session), []
            for release in repository.with_bill(session):
                known = repository.told(session, release)
                new = [f for f in _findings(session, release, now) if f.waiver is None and known.isdisjoint(f.ids)]
                if not new:
                    continue
                repository.tell(session, release, {f.id for f in new})
                does, cause = _follows(session, release, new)
                found.append((News(release, run_by.get(release, 0), new, does.value), does, cause))
                detail = {"file": file, "findings": [f.told for f in new], "does": does.value}
                audit.record(session, by, "release.finding", f"release:{release}", detail, now)
        for news, does, cause in found:
            if does is not OnFinding.NOTHING and cause is not None:
                self._advises.advise(news.release, Do(does.value), cause.told, cause.id, by, now)
        return [news for news, _, _ in found]


def _follows(session: Session, release: str, new: Sequence[Finding]) -> tuple[OnFinding, Finding | None]:
    """The strictest that a channel of the release asks for, and the finding for which it does."""
    strictest: tuple[OnFinding, Finding | None] = (OnFinding.NOTHING, None)
    for channel in repository.channels_of(session, release):
        scan = requirements.parse(channel.requires).scan
        blocking = [f for f in new if scan is not None and scan.blocks(f)]
        if scan is not None and blocking and _rank(scan.on_finding) > _rank(strictest[0]):
            strictest = scan.on_finding, blocking[0]
    return strictest


def _rank(does: OnFinding) -> int:
    return list(OnFinding).index(does)


def _newest(found: Sequence[osv.Vulnerability], now: datetime) -> dict[str, datetime]:
    """ecosystem → when its newest record was changed; what claims to be of the future is of now."""
    newest: dict[str, datetime] = {}
    for each in found:
        try:
            at = datetime.fromisoformat(each.modified[:19] + "+00:00")
        except ValueError:
            continue
        family = each.ecosystem.partition(":")[0]
        newest[family] = min(max(at, newest.get(family, at)), now)
    return newest
