"""What a release must have shown in the channel before, and whether it has; pure.

Promises: every requirement gets an answer with its numbers, met or not, so a person sees at once what is missing; the
digest that is promoted is the one that was proved. Refuses to take a person's own acceptance for a second pair of eyes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from surefoot_server.findings.matching import Bound, OnFinding, Scan, Scanned, Waived, lacks
from surefoot_server.findings.provenance import Attested, Unverified, Vouching
from surefoot_server.rollouts import document
from surefoot_server.rollouts.document import Field

HOUR_S = 3600.0
NAMED = 3
"""Findings that an answer names; `surefoot release scan` lists all."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """Of a channel, about the one before: devices that ran it for so long, tests, persons who accepted it."""

    baked_s: float = 24 * HOUR_S
    baked_devices: int = 1
    tests: tuple[str, ...] = ()
    acceptance: int = 0
    sbom: bool = False
    provenance: bool = False
    builder: Vouching | None = None
    """Who must vouch for its provenance; None asks for nobody."""
    scan: Scan | None = None
    """What may be known of its parts; None asks for no scan."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a release has shown in the channel before."""

    digest: str
    entered_digest: str | None
    """What was promoted into that channel; None where it never was."""
    ran_s: Sequence[float] = ()
    """For each device of that channel that runs this digest: since when."""
    other_digests: Collection[str] = ()
    """Digests that devices of that channel report for this release and that are not its own."""
    tests: Mapping[str, bool] = field(default_factory=dict)
    accepted_by: Collection[str] = ()
    sbom: str | None = None
    """sha256 of its bill of materials."""
    provenance: str | None = None
    attested: Attested | None = None
    """What its provenance is worth."""
    scanned: Scanned | None = None
    waived: Sequence[Waived] = ()
    against: Sequence[str] = ()
    """What stands against the release anywhere: halted, an advisory, a flag."""


@dataclass(frozen=True, slots=True)
class Answer:
    requirement: str
    met: bool
    said: str


def parse(text: str) -> Requirements:
    """Read a YAML document; raises Invalid naming line and field. An empty one asks for a day on one device."""
    return read(document.parse(text, "The requirements"))


def read(root: Field) -> Requirements:
    """Read requirements from their place in a document."""
    default = Requirements()
    fields = root.mapping("baked", "tests", "acceptance", "sbom", "provenance", "builder", "scan")
    baked = fields["baked"].mapping("for", "devices")
    tests = [] if fields["tests"].absent else [t.required().text_or_none() or "" for t in fields["tests"].items()]
    return Requirements(
        baked_s=baked["for"].duration_s(default.baked_s),
        baked_devices=baked["devices"].integer(default.baked_devices, low=1, high=1_000_000),
        tests=tuple(tests),
        acceptance=fields["acceptance"].integer(default.acceptance, low=0, high=20),
        sbom=fields["sbom"].boolean(default.sbom),
        provenance=fields["provenance"].boolean(default.provenance),
        builder=None if fields["builder"].absent else _builder(fields["builder"]),
        scan=None if fields["scan"].absent else _scan(fields["scan"]),
    )


def _builder(field: Field) -> Vouching:
    default = Vouching()
    fields = field.mapping("unverified", "keys")
    keys = [] if fields["keys"].absent else [key.required().text_or_none() or "" for key in fields["keys"].items()]
    return Vouching(fields["unverified"].choice(Unverified, default.unverified), tuple(keys))


def _scan(field: Field) -> Scan:
    default = Scan()
    fields = field.mapping("block", "warn", "unrated", "max_age", "on_finding")
    return Scan(
        block=fields["block"].choice(Bound, default.block),
        warn=fields["warn"].choice(Bound, default.warn),
        unrated=fields["unrated"].choice(Bound, default.unrated),
        max_age_s=fields["max_age"].duration_s(default.max_age_s, low=60.0),
        on_finding=fields["on_finding"].choice(OnFinding, default.on_finding),
    )


def answers(required: Requirements | None, shown: Shown, who: str, before: str | None) -> list[Answer]:
    """Answer each requirement; of the first channel, for which `before` is None, only what the release itself shows."""
    found = [Answer("nothing stands against it", not shown.against, "; ".join(shown.against) or "nothing does")]
    found += _itself(required, shown) if required is not None else []
    if required is None or before is None:
        return found
    found.append(_same(shown, before))
    found.append(_baked(required, shown, before))
    found += [_tested(name, shown) for name in required.tests]
    if required.acceptance:
        others = sorted(set(shown.accepted_by) - {who})
        said = f"{len(others)} of {required.acceptance} persons: {', '.join(others) or 'nobody'} (not counting {who})"
        found.append(Answer("accepted", len(others) >= required.acceptance, said))
    return found


def _itself(required: Requirements, shown: Shown) -> list[Answer]:
    """What hangs on no channel: the bill of materials, its scan, the provenance and who vouches for it."""
    found = []
    if required.sbom:
        found.append(_there("sbom", shown.sbom, shown))
    if required.provenance:
        found.append(_there("provenance", shown.provenance, shown))
    if required.builder is not None:
        found.append(_vouched(required.builder, shown))
    if required.scan is not None:
        found.append(_scanned(required.scan, shown))
    return found


def _there(name: str, sha256: str | None, shown: Shown) -> Answer:
    if sha256 is not None:
        return Answer(name, True, f"sha256 {sha256[:12]}")
    return Answer(name, _waiver(name, shown) is not None, f"it has none{_told(_waiver(name, shown))}")


def _vouched(asked: Vouching, shown: Shown) -> Answer:
    lack = asked.lack(shown.attested)
    if not lack:
        return Answer("builder", True, shown.attested.told if shown.attested else "")
    if asked.unverified is Unverified.WARN:
        return Answer("builder", True, f"{lack}; this channel only warns of it")
    return Answer("builder", _waiver("builder", shown) is not None, f"{lack}{_told(_waiver('builder', shown))}")


def _scanned(scan: Scan, shown: Shown) -> Answer:
    waiver = _waiver("scan", shown)
    if shown.scanned is None:
        return Answer("scan", waiver is not None, f"there is no bill of materials to scan{_told(waiver)}")
    blocking, warned = lacks(scan, shown.scanned)
    of = f"{shown.scanned.judged} of {shown.scanned.parts} parts looked up"
    excused = [f"{f.id}{_told(f.waiver)}" for f in shown.scanned.findings if f.waiver is not None]
    said = [
        of,
        *(f"blocked by {_some(blocking)}" for _ in blocking[:1]),
        *(f"warned of {_some(warned)}" for _ in warned[:1]),
    ]
    return Answer("scan", not blocking or waiver is not None, "; ".join([*said, *excused]) + _told(waiver))


def _some(told: Sequence[str]) -> str:
    return ", ".join(told[:NAMED]) + (f" and {len(told) - NAMED} more" if len(told) > NAMED else "")


def _waiver(about: str, shown: Shown) -> Waived | None:
    return next((w for w in shown.waived if w.about == about), None)


def _told(waiver: Waived | None) -> str:
    return f" (waived by {waiver.by}: {waiver.reason})" if waiver else ""


def _same(shown: Shown, before: str) -> Answer:
    if shown.entered_digest is None:
        return Answer("identical digests", False, f"it was never promoted to {before}")
    same = shown.entered_digest == shown.digest and not shown.other_digests
    return Answer("identical digests", same, f"{shown.entered_digest[:12]} in {before}, {shown.digest[:12]} here")


def _baked(required: Requirements, shown: Shown, before: str) -> Answer:
    long = sum(1 for s in shown.ran_s if s >= required.baked_s)
    hours = required.baked_s / HOUR_S
    said = f"{long} of {required.baked_devices} devices of {before} ran it for {hours:g} h ({len(shown.ran_s)} run it)"
    return Answer("baked", long >= required.baked_devices, said)


def _tested(name: str, shown: Shown) -> Answer:
    result = shown.tests.get(name)
    said = "it did not run" if result is None else "passed" if result else "failed"
    return Answer(f"test {name}", bool(result), said)
