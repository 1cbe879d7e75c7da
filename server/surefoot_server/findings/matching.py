"""A release's parts against what is known of them: findings, judged by what a channel allows; pure.

Promises: records about the same flaw of the same part (by alias) are one finding with the worst severity; a waived one
is still shown, with who waived it and why. What could not be looked up is counted, so that silence is not a pass.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from surefoot_server.findings.severity import Severity

DAY_S = 86_400.0


class OnFinding(str, Enum):
    """What an import does to the open rollouts of a release in the channel in which it finds something to block."""

    NOTHING = "nothing"
    HOLD = "hold"
    HALT = "halt"
    REVERT = "revert"


class Bound(str, Enum):
    """A severity, or never."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
    NEVER = "never"

    def reached_by(self, severity: Severity) -> bool:
        return self is not Bound.NEVER and severity.rank >= Severity(self.value).rank


@dataclass(frozen=True, slots=True)
class Scan:
    """What a channel allows. `unrated` is what a finding without a severity counts as; `max_age_s` is of the data."""

    block: Bound = Bound.HIGH
    warn: Bound = Bound.LOW
    unrated: Bound = Bound.HIGH
    max_age_s: float = 30 * DAY_S
    on_finding: OnFinding = OnFinding.NOTHING

    def blocks(self, finding: Finding) -> bool:
        return finding.waiver is None and self.block.reached_by(self.counted(finding))

    def warns(self, finding: Finding) -> bool:
        return finding.waiver is None and not self.blocks(finding) and self.warn.reached_by(self.counted(finding))

    def counted(self, finding: Finding) -> Severity:
        if finding.severity is not Severity.UNRATED:
            return finding.severity
        return Severity.UNRATED if self.unrated is Bound.NEVER else Severity(self.unrated.value)


@dataclass(frozen=True, slots=True)
class Waived:
    """A person took a finding, or a lack, upon themselves."""

    about: str
    by: str
    reason: str
    until: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """`ids`: every name of the flaw, the best known first."""

    ids: tuple[str, ...]
    ecosystem: str
    package: str
    version: str
    severity: Severity
    score: float | None
    fixed: tuple[str, ...]
    summary: str
    waiver: Waived | None = None

    @property
    def id(self) -> str:
        return self.ids[0]

    @property
    def told(self) -> str:
        mend = f", fixed in {', '.join(self.fixed[-2:])}" if self.fixed else ", no fix is known"
        return f"{self.id} ({self.severity.value}) in {self.package} {self.version}{mend}"


@dataclass(frozen=True, slots=True)
class Scanned:
    """What is known of a release: its parts, those that could be looked up, how old the data of each ecosystem are."""

    parts: int
    judged: int
    ages_s: Mapping[str, float | None]
    """None where no data of the ecosystem were ever imported."""
    findings: Sequence[Finding] = ()


def merged(found: Iterable[Finding], waivers: Collection[Waived]) -> list[Finding]:
    """One finding for each flaw of each part, the worst first."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for each in found:
        here = groups.setdefault((each.ecosystem, each.package, each.version), [])
        same = [other for other in here if set(other.ids) & set(each.ids)]
        here[:] = [other for other in here if other not in same] + [_one([*same, each])]
    flat = [_waived(finding, waivers) for group in groups.values() for finding in group]
    return sorted(flat, key=lambda f: (-f.severity.rank, -(f.score or 0.0), f.package, f.id))


def _one(same: Sequence[Finding]) -> Finding:
    worst = max(same, key=lambda f: (f.severity.rank, f.score or 0.0))
    ids = sorted({name for f in same for name in f.ids}, key=lambda name: (not name.startswith("CVE-"), name))
    fixed = tuple(dict.fromkeys(version for f in same for version in f.fixed))
    summary = next((f.summary for f in same if f.summary), "")
    return replace(worst, ids=tuple(ids), fixed=fixed, summary=summary)


def _waived(finding: Finding, waivers: Collection[Waived]) -> Finding:
    return replace(finding, waiver=next((w for w in waivers if w.about in finding.ids), None))


def lacks(scan: Scan, found: Scanned) -> tuple[list[str], list[str]]:
    """(what blocks, what is to be warned of), each as a sentence's part."""
    blocking = [f.told for f in found.findings if scan.blocks(f)]
    warned = [f.told for f in found.findings if scan.warns(f)]
    for ecosystem, age_s in sorted(found.ages_s.items()):
        if age_s is None:
            blocking.append(f"no advisories of {ecosystem} were imported")
        elif age_s > scan.max_age_s:
            most = f"{scan.max_age_s / DAY_S:g} days"
            blocking.append(f"the advisories of {ecosystem} are {age_s / DAY_S:.0f} days old, more than {most}")
    return blocking, warned
