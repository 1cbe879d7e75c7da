"""Everything that is on record about a release, in one value: what an auditor asks for, gathered and not judged.

Promises: what is told is what is stored, in the order in which it happened; nothing of the moment of asking goes in, so
the same state gives the same value. Rows of the audit trail carry their hashes and stand in its chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlmodel import Session, col, select

from surefoot_server.audit.models import AuditEntry
from surefoot_server.channels.models import ChannelEntry, ChannelEvidence
from surefoot_server.drills.models import Drill, DrillDevice
from surefoot_server.feedback import repository as feedback
from surefoot_server.feedback.models import Flag
from surefoot_server.findings import repository as findings
from surefoot_server.findings import service as finding_service
from surefoot_server.findings.builders import Judge, trusting_nobody
from surefoot_server.findings.matching import Finding
from surefoot_server.findings.provenance import Attested
from surefoot_server.keys.image import Signed
from surefoot_server.releases import repository as releases
from surefoot_server.releases.models import Release
from surefoot_server.rollouts import repository as rollouts
from surefoot_server.rollouts.models import Rollout, RolloutApproval, RolloutDecision
from surefoot_server.rollouts.verdicts import JUDGED
from surefoot_shared import wire
from surefoot_shared.wire import Json

VERSION = 1
PHASE = ("name", "selector", "members", "state", "began_at", "baking_at", "ended_at", "verdict", "reason", "evidence")
ROLLOUT = ("id", "cohort", "expression", "policy", "salt", "state", "reason", "tally", "created_at", "created_by")
Facts = dict[str, Json]


def gather(session: Session, release_id: str, signed: Signed, now: datetime, judge: Judge = trusting_nobody) -> Facts:
    """`now` only says which waivers stand, `judge` which keys vouch for the provenance."""
    release = releases.get(session, release_id)
    runs = _rollouts(session, release_id)
    objects = [f"release:{release_id}", *(f"rollout:{row.id}" for row in runs)]
    return {
        "v": VERSION,
        "release": _told(release, "id", "digest", "counter", "svn", "hw", "notes", "total_bytes")
        | _told(release, "published_at", "published_by"),
        "signatures": wire.to_json(signed),
        "documents": [_told(d, "kind", "sha256", "at", "by") for d in findings.documents(session, release_id)],
        "provenance": _attested(judge(session, release_id)),
        "channels": [_told(e, "channel", "digest", "at", "by", "evidence") for e in _entries(session, release_id)],
        "tests": _tests(session, release),
        "rollouts": [_rollout(session, row) for row in runs],
        "drill": _drill(session, release.component),
        **_known(session, release_id, now),
        "advisories": [
            _told(a, "id", "at", "by", "reference", "reason", "do", "withdrawn_at", "withdrawn_by")
            for a in reversed(feedback.advisories(session, release_id, standing=False))
        ],
        "flags": [
            _told(f, "id", "at", "by", "device_id", "reason", "withdrawn_at", "withdrawn_by")
            for f in session.exec(select(Flag).where(Flag.release_id == release_id).order_by(col(Flag.id)))
        ],
        "audit": _audit(session, objects),
    }


def _rollouts(session: Session, release_id: str) -> list[Rollout]:
    """Those that ordered it, by itself or in a set."""
    in_set = sa.cast(col(Rollout.companions), sa.String).contains(f'"{release_id}"', autoescape=True)
    query = select(Rollout).where((col(Rollout.release_id) == release_id) | in_set)
    return list(session.exec(query.order_by(col(Rollout.number))))


def _told(row: object, *names: str) -> dict[str, Json]:
    """These fields, times as text."""
    found = {name: getattr(row, name) for name in names}
    plain = {n: v.isoformat() if isinstance(v, datetime) else v for n, v in found.items()}
    return cast(dict[str, Json], plain)  # rows hold nothing but plain JSON and times


def _entries(session: Session, release_id: str) -> list[ChannelEntry]:
    query = select(ChannelEntry).where(ChannelEntry.release_id == release_id).order_by(col(ChannelEntry.id))
    return list(session.exec(query))


def _attested(found: Attested | None) -> Json:
    return (
        None
        if found is None
        else {
            **_told(found, "told", "predicate_type", "builder", "signatures"),
            "standing": found.standing.value,
            "keys": list(found.keys),
        }
    )


def _tests(session: Session, release: Release) -> Json:
    query = select(ChannelEvidence).where(
        ChannelEvidence.release_id == release.id, ChannelEvidence.digest == release.digest
    )
    rows = session.exec(query.order_by(col(ChannelEvidence.id)))
    return [_told(e, "channel", "kind", "name", "passed", "at", "by", "note") for e in rows]


def _rollout(session: Session, row: Rollout) -> dict[str, Json]:
    approvals = select(RolloutApproval).where(RolloutApproval.rollout_id == row.id)
    decided = select(RolloutDecision).where(
        RolloutDecision.rollout_id == row.id,
        col(RolloutDecision.kind).in_(JUDGED) | ~col(RolloutDecision.actor).in_(("engine",)),
    )
    return {
        **_told(row, *ROLLOUT, "ended_at"),
        "set": [{"release": r, "digest": d} for r, d in zip(row.releases, row.ordered, strict=True)],
        "phases": [_told(phase, *PHASE) for phase in rollouts.phases(session, row.id)],
        "approvals": [
            _told(a, "phase", "actor", "at", "reason")
            for a in session.exec(approvals.order_by(col(RolloutApproval.at), RolloutApproval.actor))
        ],
        "decisions": [
            _told(d, "at", "actor", "kind", "phase", "reason", "detail")
            for d in session.exec(decided.order_by(col(RolloutDecision.id)))
        ],
    }


def _drill(session: Session, component: str) -> Json:
    """The newest rehearsal of going back that ended, with what each device took."""
    query = select(Drill).where(Drill.component == component, col(Drill.ended_at).is_not(None))
    row = session.exec(query.order_by(col(Drill.number).desc()).limit(1)).first()
    if row is None:
        return None
    devices = select(DrillDevice).where(DrillDevice.drill_id == row.id).order_by(DrillDevice.device_id)
    told: dict[str, Json] = {
        "devices": [_told(d, "device_id", "step", "reason", "revert_s", "apply_s") for d in session.exec(devices)]
    }
    return {**_told(row, "id", "cohort", "limit_s", "state", "reason", "started_at", "started_by", "ended_at"), **told}


def _known(session: Session, release_id: str, now: datetime) -> dict[str, Json]:
    scanned = finding_service.scanned(session, release_id, now)
    sources = findings.sources(session)
    families = scanned.ages_s.keys() if scanned else set()
    return {
        "scan": {
            "parts": scanned.parts if scanned else 0,
            "judged": scanned.judged if scanned else 0,
            "advisories": [_told(s, "ecosystem", "newest", "file") for s in sources if s.ecosystem in families],
            "findings": [_finding(f) for f in (scanned.findings if scanned else ())],
        },
        "waivers": [
            _told(w, "id", "about", "reason", "at", "by", "until", "withdrawn_at", "withdrawn_by")
            for w in findings.waivers(session, release_id)
        ],
    }


def _finding(found: Finding) -> dict[str, Json]:
    return {
        "ids": list(found.ids),
        "ecosystem": found.ecosystem,
        "package": found.package,
        "version": found.version,
        "severity": found.severity.value,
        "score": found.score,
        "fixed": list(found.fixed),
        "waived": found.waiver is not None,
    }


def _audit(session: Session, objects: Sequence[str]) -> list[Json]:
    query = select(AuditEntry).where(col(AuditEntry.object).in_(objects)).order_by(col(AuditEntry.seq))
    names = ("seq", "at", "actor", "action", "object", "detail", "previous", "hash")
    found: list[Any] = [_told(row, *names) for row in session.exec(query)]
    return found
