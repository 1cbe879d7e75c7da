"""Every query about documents, parts, vulnerabilities and waivers; callers own the session and the transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from surefoot_server.channels.models import Channel, ChannelEntry
from surefoot_server.devices.models import DeviceComponent
from surefoot_server.findings.bill import Part
from surefoot_server.findings.models import (
    AdvisorySource,
    BillPart,
    FindingTold,
    FindingWaiver,
    KnownVulnerability,
    ReleaseDocument,
)
from surefoot_server.findings.osv import Vulnerability

AT_ONCE = 400
"""Parameters of one statement: SQLite takes 999 in old versions."""


def document(session: Session, release_id: str, kind: str) -> ReleaseDocument | None:
    return session.get(ReleaseDocument, (release_id, kind))


def documents(session: Session, release_id: str) -> list[ReleaseDocument]:
    query = select(ReleaseDocument).where(ReleaseDocument.release_id == release_id)
    return list(session.exec(query.order_by(ReleaseDocument.kind)))


def add_parts(session: Session, release_id: str, parts: Iterable[Part]) -> None:
    rows = [
        {
            "release_id": release_id,
            "name": p.name,
            "version": p.version,
            "purl": p.purl,
            "ecosystem": p.ecosystem,
            "package": p.package,
        }
        for p in parts
    ]
    session.connection().execute(sa.insert(BillPart), rows)


def parts(session: Session, release_id: str) -> list[BillPart]:
    return list(session.exec(select(BillPart).where(BillPart.release_id == release_id).order_by(col(BillPart.id))))


def known_of(session: Session, release_id: str) -> list[tuple[BillPart, KnownVulnerability]]:
    """Each part with each record about its package, whatever the version."""
    same = sa.and_(
        col(BillPart.ecosystem) == col(KnownVulnerability.ecosystem),
        col(BillPart.package) == col(KnownVulnerability.package),
    )
    query = select(BillPart, KnownVulnerability).join(KnownVulnerability, same).where(BillPart.release_id == release_id)
    return list(session.exec(query.order_by(col(BillPart.id), col(KnownVulnerability.osv_id))).all())


def replace(session: Session, ids: Sequence[str], found: Iterable[Vulnerability]) -> None:
    """Put these in the place of whatever the records of these ids said before."""
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        session.connection().execute(sa.delete(KnownVulnerability).where(col(KnownVulnerability.osv_id).in_(some)))
    rows = [
        {
            "osv_id": v.id,
            "ecosystem": v.ecosystem,
            "package": v.package,
            "aliases": list(v.aliases),
            "summary": v.summary,
            "severity": v.severity.value,
            "score": v.score,
            "ranges": [[list(event) for event in events] for events in v.ranges],
            "versions": list(v.versions),
        }
        for v in found
    ]
    if rows:
        session.connection().execute(sa.insert(KnownVulnerability), rows)


def counts(session: Session) -> dict[str, int]:
    """ecosystem → records."""
    query = select(KnownVulnerability.ecosystem, sa.func.count()).group_by(col(KnownVulnerability.ecosystem))
    return dict(session.exec(query.order_by(KnownVulnerability.ecosystem)).all())


def sources(session: Session) -> list[AdvisorySource]:
    return list(session.exec(select(AdvisorySource).order_by(AdvisorySource.ecosystem)))


def waivers(session: Session, release_id: str, *, standing_at: datetime | None = None) -> list[FindingWaiver]:
    """The oldest first; with `standing_at` those that count then."""
    query = select(FindingWaiver).where(FindingWaiver.release_id == release_id).order_by(col(FindingWaiver.id))
    if standing_at is not None:
        until = col(FindingWaiver.until)
        query = query.where(col(FindingWaiver.withdrawn_at).is_(None), sa.or_(until.is_(None), until > standing_at))
    return list(session.exec(query))


def told(session: Session, release_id: str) -> set[str]:
    return set(session.exec(select(FindingTold.about).where(FindingTold.release_id == release_id)))


def tell(session: Session, release_id: str, about: Collection[str]) -> None:
    session.add_all(FindingTold(release_id=release_id, about=each) for each in sorted(about))


def with_bill(session: Session) -> list[str]:
    """Releases that have a bill of materials."""
    query = select(ReleaseDocument.release_id).where(ReleaseDocument.kind == "sbom")
    return list(session.exec(query.order_by(ReleaseDocument.release_id)))


def run_by(session: Session) -> dict[str, int]:
    """release → how many devices run it."""
    query = (
        select(DeviceComponent.release_id, sa.func.count())
        .where(col(DeviceComponent.release_id).is_not(None))
        .group_by(col(DeviceComponent.release_id))
    )
    return {str(release): number for release, number in session.exec(query)}


def channels_of(session: Session, release_id: str) -> list[Channel]:
    """Channels into which the release was promoted."""
    query = (
        select(Channel)
        .join(ChannelEntry, col(ChannelEntry.channel) == col(Channel.name))
        .where(ChannelEntry.release_id == release_id, col(Channel.retired_at).is_(None))
        .order_by(Channel.name)
    )
    return list(session.exec(query))
