"""What a release is made of, as its page shows it: the parts, what is known of them by severity, and what is missing.

Promises: a finding that somebody waived is counted apart; what could not be looked up is counted, so that silence does
not look like a pass. At most ROWS findings are listed, the worst first; the rest are counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel import Session

from surefoot_server.findings import repository, service
from surefoot_server.findings.builders import PROVENANCE, Judge, trusting_nobody
from surefoot_server.findings.matching import Finding, Scanned
from surefoot_server.findings.models import ReleaseDocument
from surefoot_server.findings.provenance import Attested

ROWS = 15


@dataclass(frozen=True, slots=True)
class Age:
    """How old what is known of an ecosystem is; None where nothing was ever imported."""

    ecosystem: str
    age_s: float | None


@dataclass(frozen=True, slots=True)
class Bill:
    """`counts`: severity → findings that stand, the worst first. `scan` is None without a bill of materials."""

    sbom: ReleaseDocument | None
    provenance: ReleaseDocument | None
    scan: Scanned | None
    counts: tuple[tuple[str, int], ...] = ()
    findings: tuple[Finding, ...] = ()
    more: int = 0
    waived: int = 0
    ages: tuple[Age, ...] = ()
    attested: Attested | None = None
    """What the provenance is worth; None where there is none."""

    @property
    def unjudged(self) -> int:
        """Parts that could not be looked up."""
        return self.scan.parts - self.scan.judged if self.scan else 0


def read(session: Session, release_id: str, now: datetime, judge: Judge = trusting_nobody) -> Bill:
    sbom = repository.document(session, release_id, service.SBOM)
    provenance = repository.document(session, release_id, PROVENANCE)
    found = of(sbom, provenance, service.scanned(session, release_id, now))
    return replace(found, attested=judge(session, release_id))


def of(sbom: ReleaseDocument | None, provenance: ReleaseDocument | None, scan: Scanned | None) -> Bill:
    """Count what a scan found; pure."""
    if scan is None:
        return Bill(sbom, provenance, None)
    standing = [finding for finding in scan.findings if finding.waiver is None]
    counts: dict[str, int] = {}
    for finding in standing:  # the worst come first
        counts[finding.severity.value] = counts.get(finding.severity.value, 0) + 1
    return Bill(
        sbom=sbom,
        provenance=provenance,
        scan=scan,
        counts=tuple(counts.items()),
        findings=tuple(standing[:ROWS]),
        more=max(0, len(standing) - ROWS),
        waived=len(scan.findings) - len(standing),
        ages=tuple(Age(ecosystem, age_s) for ecosystem, age_s in sorted(scan.ages_s.items())),
    )
