"""Bills, provenance, findings, waivers and imported advisories over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from surefoot_server import db
from surefoot_server.access.guard import require
from surefoot_server.access.reach import Over
from surefoot_server.access.roles import Principal, Role
from surefoot_server.findings import repository, service
from surefoot_server.findings.bill import LIMIT_BYTES
from surefoot_server.findings.builders import PROVENANCE
from surefoot_server.findings.matching import Finding, Waived
from surefoot_server.findings.models import FindingWaiver
from surefoot_server.findings.provenance import LIMIT_BYTES as PROVENANCE_LIMIT_BYTES
from surefoot_server.findings.provenance import Attested, judged
from surefoot_server.paging import RowId
from surefoot_server.releases import repository as releases
from surefoot_server.state import state_of
from surefoot_shared.errors import Invalid

router = APIRouter(prefix="/api/v1", tags=["findings"])
Anywhere = Annotated[Principal, Depends(require(Role.VIEWER, Over.ANYWHERE))]
Viewer = Annotated[Principal, Depends(require(Role.VIEWER, Over.RELEASE))]
Releaser = Annotated[Principal, Depends(require(Role.RELEASER))]
YEAR_S = 31_536_000.0
BATCH = 2000


class WaivedOut(BaseModel):
    about: str
    by: str
    reason: str
    until: str | None


class FindingOut(BaseModel):
    """`ids`: every name of the flaw, the best known first."""

    id: str
    ids: list[str]
    ecosystem: str
    package: str
    version: str
    severity: str
    score: float | None
    fixed: list[str]
    summary: str
    waiver: WaivedOut | None


class WaiverOut(BaseModel):
    id: int
    about: str
    reason: str
    at: datetime
    by: str
    until: datetime | None
    withdrawn_at: datetime | None
    withdrawn_by: str


class AttestedOut(BaseModel):
    """What the provenance is worth now, with the keys of builders that the server has.

    `standing`: verified, unknown (signed by none of these keys), unsigned, other (about something else) or unreadable.
    `told` says so as a sentence's part. `builder` is what the statement says, true only where a key vouches for it.
    """

    standing: str
    told: str
    keys: list[str]
    predicate_type: str
    builder: str
    signatures: int


class ScanOut(BaseModel):
    """`judged` of `parts` could be looked up; `ages_s`: how old the data of each ecosystem are, null where none are."""

    release: str
    sbom: str | None
    provenance: str | None
    attested: AttestedOut | None
    parts: int
    judged: int
    ages_s: Mapping[str, float | None]
    findings: list[FindingOut]
    waivers: list[WaiverOut]


class ConcernOut(BaseModel):
    release: str
    devices: int
    told: str
    findings: list[FindingOut]


class WaiveIn(BaseModel):
    about: str = Field(min_length=1, max_length=80)
    reason: str = Field(min_length=1, max_length=500)
    valid_s: float | None = Field(default=None, ge=60, le=YEAR_S)


class DocumentOut(BaseModel):
    kind: str
    sha256: str
    at: datetime
    by: str
    attested: AttestedOut


class RecordsIn(BaseModel):
    """A batch of OSV records, as the source wrote them."""

    records: list[dict[str, Any]] = Field(max_length=BATCH)
    file: str = Field(max_length=200)


class TakenOut(BaseModel):
    taken: int
    unreadable: int


class FinishIn(BaseModel):
    file: str = Field(max_length=200)
    records: int = Field(ge=0)


class NewsOut(BaseModel):
    """`does` is what a channel of the release asked for: nothing, hold, halt or revert."""

    release: str
    devices: int
    does: str
    findings: list[FindingOut]


class SourceOut(BaseModel):
    """`newest` is when the newest record of the ecosystem was changed at its source."""

    ecosystem: str
    newest: datetime
    imported_at: datetime
    imported_by: str
    file: str
    records: int


@router.get("/releases/{component}/{version}/findings")
def scan(request: Request, component: str, version: str, _who: Viewer) -> ScanOut:
    """What is known now of the release's parts, and what was waived."""
    release, now = f"{component}/{version}", db.utc_now()
    state = state_of(request)
    with state.db.read() as session:
        releases.get(session, release)
        documents = {d.kind: d.sha256 for d in repository.documents(session, release)}
        found = service.scanned(session, release, now)
        return ScanOut(
            release=release,
            sbom=documents.get(service.SBOM),
            provenance=documents.get(PROVENANCE),
            attested=_attested(state.builders.judge(session, release)),
            parts=found.parts if found else 0,
            judged=found.judged if found else 0,
            ages_s=dict(found.ages_s) if found else {},
            findings=[_finding(f) for f in found.findings] if found else [],
            waivers=[_waiver(w) for w in repository.waivers(session, release)],
        )


@router.get("/releases/{component}/{version}/documents/{kind}")
def document(request: Request, component: str, version: str, kind: str, _who: Viewer) -> Response:
    """The bytes of a document: `sbom` or `provenance`."""
    state, release = state_of(request), f"{component}/{version}"
    with state.db.read() as session:
        row = service.stored(session, release, kind)
    return Response(state.blobs.read(row.sha256, 0, LIMIT_BYTES), media_type="application/json")


@router.post("/releases/{component}/{version}/provenance", status_code=201)
async def attest(request: Request, component: str, version: str, who: Releaser) -> DocumentOut:
    """Take the request's body as the release's provenance: an in-toto statement, bare or in a DSSE envelope."""
    state, raw = state_of(request), bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > PROVENANCE_LIMIT_BYTES:
            raise Invalid("too_large", f"A statement has at most {PROVENANCE_LIMIT_BYTES} bytes.")
    release, keys = f"{component}/{version}", state.builders.keys()
    with state.db.write() as session:
        row = service.attest(session, state.blobs, release, bytes(raw), who.name, db.utc_now(), keys)
        found = judged(bytes(raw), releases.get(session, release).digest, keys)
        return DocumentOut(kind=row.kind, sha256=row.sha256, at=row.at, by=row.by, attested=_told(found))


@router.post("/releases/{component}/{version}/waivers", status_code=201)
def waive(request: Request, component: str, version: str, body: WaiveIn, who: Releaser) -> WaiverOut:
    """Let a finding, or a lack (`sbom`, `provenance`, `builder`, `scan`), not count for this release."""
    release = f"{component}/{version}"
    with state_of(request).db.write() as session:
        row = service.waive(session, release, body.about, body.reason, body.valid_s, who.name, db.utc_now())
        return _waiver(row)


@router.post("/waivers/{waiver_id}/withdraw")
def withdraw(request: Request, waiver_id: RowId, who: Releaser) -> WaiverOut:
    with state_of(request).db.write() as session:
        return _waiver(service.withdraw_waiver(session, waiver_id, who.name, db.utc_now()))


@router.get("/findings")
def concerns(request: Request, _who: Anywhere) -> list[ConcernOut]:
    """Releases that devices run although something high, critical or unrated is known of them."""
    with state_of(request).db.read() as session:
        return [
            ConcernOut(release=c.release, devices=c.devices, told=c.told, findings=[_finding(f) for f in c.findings])
            for c in service.concerns(session, db.utc_now())
        ]


@router.post("/vulnerabilities")
def take(request: Request, body: RecordsIn, who: Releaser) -> TakenOut:
    """Store a batch of OSV records; a newer record of the same id takes the place of the older one."""
    state = state_of(request)
    importer = service.Importer(state.db, state.feedback)
    taken, unreadable = importer.take(body.records, body.file, who.name, db.utc_now())
    return TakenOut(taken=taken, unreadable=unreadable)


@router.post("/vulnerabilities/finish")
def finish(request: Request, body: FinishIn, who: Releaser) -> list[NewsOut]:
    """End an import: says what is new of which release, and follows what its channels say about that."""
    state = state_of(request)
    found = service.Importer(state.db, state.feedback).finish(body.file, body.records, who.name, db.utc_now())
    return [
        NewsOut(release=n.release, devices=n.devices, does=n.did, findings=[_finding(f) for f in n.findings])
        for n in found
    ]


@router.get("/vulnerabilities/sources")
def sources(request: Request, _who: Anywhere) -> list[SourceOut]:
    """How fresh what was imported is, and how many records there are."""
    with state_of(request).db.read() as session:
        counts: dict[str, int] = {}
        for ecosystem, number in repository.counts(session).items():
            family = ecosystem.partition(":")[0]
            counts[family] = counts.get(family, 0) + number
        names = [name for name in SourceOut.model_fields if name != "records"]
        return [
            SourceOut(**{name: getattr(row, name) for name in names}, records=counts.get(row.ecosystem, 0))
            for row in repository.sources(session)
        ]


def _attested(found: Attested | None) -> AttestedOut | None:
    return _told(found) if found else None


def _told(found: Attested) -> AttestedOut:
    return AttestedOut(
        standing=found.standing.value,
        told=found.told,
        keys=list(found.keys),
        predicate_type=found.predicate_type,
        builder=found.builder,
        signatures=found.signatures,
    )


def _finding(found: Finding) -> FindingOut:
    return FindingOut(
        id=found.id,
        ids=list(found.ids),
        ecosystem=found.ecosystem,
        package=found.package,
        version=found.version,
        severity=found.severity.value,
        score=found.score,
        fixed=list(found.fixed),
        summary=found.summary,
        waiver=_waived(found.waiver) if found.waiver else None,
    )


def _waived(found: Waived) -> WaivedOut:
    return WaivedOut(about=found.about, by=found.by, reason=found.reason, until=found.until)


def _waiver(row: FindingWaiver) -> WaiverOut:
    return WaiverOut.model_validate({name: getattr(row, name) for name in WaiverOut.model_fields})
