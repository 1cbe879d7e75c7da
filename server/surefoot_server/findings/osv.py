"""Vulnerabilities as OSV describes them: a record becomes one value for each package that it is about; pure.

Promises: only what can be matched is kept (PyPI and Debian, ranges of ecosystem versions, listed versions); a withdrawn
record is known as one, so that an import takes it away. Source: OSV schema 1.7, "Evaluation" for `hits`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from surefoot_server.findings.bill import DEBIAN, PYPI, normal_name
from surefoot_server.findings.order import order_of
from surefoot_server.findings.severity import Severity, severity_of
from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.wire import Json

SUMMARY_CHARACTERS = 300
Events = tuple[tuple[str, str], ...]
"""(introduced, fixed or last_affected; a version) in the order of the record."""


@dataclass(frozen=True)
class Event:
    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None


@dataclass(frozen=True)
class Range:
    type: str
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Package:
    ecosystem: str
    name: str


@dataclass(frozen=True)
class Rating:
    type: str
    score: str


@dataclass(frozen=True)
class Affected:
    package: Package | None = None
    ranges: tuple[Range, ...] = ()
    versions: tuple[str, ...] = ()
    severity: tuple[Rating, ...] = ()


@dataclass(frozen=True)
class Record:
    id: str
    modified: str = ""
    withdrawn: str | None = None
    aliases: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    summary: str = ""
    severity: tuple[Rating, ...] = ()
    affected: tuple[Affected, ...] = ()


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """One record about one package."""

    id: str
    ecosystem: str
    package: str
    aliases: tuple[str, ...]
    summary: str
    severity: Severity
    score: float | None
    ranges: tuple[Events, ...]
    versions: tuple[str, ...]
    modified: str

    @property
    def fixed(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(v for events in self.ranges for what, v in events if what == "fixed"))


def parse(value: Json) -> tuple[str, tuple[Vulnerability, ...]]:
    """(id, what it is about); nothing where the record is withdrawn or of other ecosystems. Raises Invalid."""
    record = wire.from_json(Record, value)
    if not record.id or len(record.id) > 80:
        raise Invalid("malformed", "An OSV record needs an id of 1 to 80 characters.")
    if record.withdrawn:
        return record.id, ()
    word = _word(value)
    merged: dict[tuple[str, str], list[Affected]] = {}
    for each in record.affected:
        if each.package and (place := _place(each.package)):
            merged.setdefault(place, []).append(each)
    return record.id, tuple(_about(record, place, parts, word) for place, parts in merged.items())


def hits(ecosystem: str, version: str, ranges: Sequence[Sequence[Sequence[str]]], versions: Sequence[str]) -> bool:
    """Whether a version is among the affected ones. One that has no order counts only where it is listed."""
    if version in versions:
        return True
    order = order_of(ecosystem)
    mine = order(version) if order else None
    if order is None or mine is None:
        return False
    if any(order(listed) == mine for listed in versions):
        return True
    for events in ranges:
        known = [(what, order(at)) for what, at in events if at != "0"]
        steps = sorted(((at, what) for what, at in known if at is not None), key=lambda step: step[0])
        inside = any(what == "introduced" and at == "0" for what, at in events)
        for at, what in steps:
            if what == "introduced" and mine >= at:
                inside = True
            elif (what == "fixed" and mine >= at) or (what == "last_affected" and mine > at):
                inside = False
        if inside:
            return True
    return False


def _place(package: Package) -> tuple[str, str] | None:
    family, _, release = package.ecosystem.partition(":")
    if family == PYPI:
        return PYPI, normal_name(package.name)
    return (f"{DEBIAN}:{release}", package.name) if family == DEBIAN and release else None


def _about(record: Record, place: tuple[str, str], parts: Sequence[Affected], word: str) -> Vulnerability:
    ratings = [r for part in parts for r in part.severity] or record.severity
    severity, score = severity_of([r.score for r in ratings], word)
    ranges = tuple(_events(r) for part in parts for r in part.ranges if r.type in ("ECOSYSTEM", "SEMVER"))
    return Vulnerability(
        id=record.id,
        ecosystem=place[0],
        package=place[1],
        aliases=tuple(dict.fromkeys((*record.aliases, *record.upstream))),
        summary=" ".join(record.summary.split())[:SUMMARY_CHARACTERS],
        severity=severity,
        score=score,
        ranges=tuple(events for events in ranges if events),
        versions=tuple(dict.fromkeys(v for part in parts for v in part.versions)),
        modified=record.modified,
    )


def _events(of: Range) -> Events:
    return tuple(
        (what, at)
        for event in of.events
        for what in ("introduced", "fixed", "last_affected")
        if (at := getattr(event, what)) is not None
    )


def _word(value: Json) -> str:
    """What the source calls it: GitHub's advisories have it for the record, Debian's for the package."""
    assert isinstance(value, dict)  # it was read as a record
    places: list[Json] = [value.get("database_specific")]
    affected = value.get("affected")
    for each in affected if isinstance(affected, list) else []:
        places += [each.get("database_specific"), each.get("ecosystem_specific")] if isinstance(each, dict) else []
    words = [p.get(key) for p in places if isinstance(p, dict) for key in ("severity", "urgency")]
    return next((w for w in words if isinstance(w, str)), "")
