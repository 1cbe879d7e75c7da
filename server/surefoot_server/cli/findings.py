"""`surefoot release scan`, `waive`, `unwaive` and `attest`: what a release is made of, and what is known of it.

Promises: the exit code of `scan` is the answer: 6 where something that counts is known. What comes from a bill or a
record is shown as text; no escape sequence of it reaches the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import LIFETIME, Text, Whole, path, release_of
from surefoot_server.cli.terminal import Terminal, columns, facts, json_option, pass_terminal
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError

GATE_FAILED = 6
RANKS = ("unrated", "low", "medium", "high", "critical")
DAY_S = 86_400.0
release_argument = click.argument("release", metavar="COMPONENT/VERSION", type=Text(100))


@dataclass(frozen=True)
class Waived:
    by: str
    reason: str


@dataclass(frozen=True)
class Finding:
    id: str
    package: str
    version: str
    severity: str
    fixed: tuple[str, ...]
    summary: str
    waiver: Waived | None


@dataclass(frozen=True)
class Waiver:
    id: int
    about: str
    by: str
    reason: str
    until: str | None
    withdrawn_at: str | None


@dataclass(frozen=True)
class Attested:
    told: str
    predicate_type: str
    builder: str


@dataclass(frozen=True)
class Document:
    attested: Attested


@dataclass(frozen=True)
class Scan:
    release: str
    sbom: str | None
    provenance: str | None
    attested: Attested | None
    parts: int
    judged: int
    ages_s: Mapping[str, float | None]
    findings: tuple[Finding, ...]
    waivers: tuple[Waiver, ...]


def read_file(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError("config_unreadable", f"{file} cannot be read: {error.strerror}.", "Name a file.") from error


@click.command()
@release_argument
@click.option(
    "--least",
    type=click.Choice(RANKS),
    default="high",
    show_default=True,
    help="Exit with 6 where a finding that is not waived is at least this bad; unrated ones always are.",
)
@click.option("--sbom", is_flag=True, help="Print the bill of materials instead.")
@json_option
@pass_terminal
def scan(terminal: Terminal, release: str, least: str, sbom: bool) -> int:
    """List what is known of the parts of a release, by the advisories that were imported (`surefoot advisory import`).

    \b
    Example:
      surefoot release scan app/1.1
      surefoot release scan app/1.1 --sbom > bill.cdx.json
    """
    where = path("releases", *release_of(release))
    with terminal.api() as api:
        if sbom:
            click.echo(api.get_raw(f"{where}/documents/sbom").decode(errors="replace"))
            return 0
        answer = api.get(f"{where}/findings")
    found = wire.from_json(Scan, answer)
    terminal.data(answer, _told(found))
    if found.sbom is None:
        terminal.say("Without a bill of materials nothing can be looked up: surefoot release build … --sbom FILE")
        return GATE_FAILED
    bad = [f for f in found.findings if f.waiver is None and _counts(f, least)]
    stale = [name for name, age_s in found.ages_s.items() if age_s is None]
    for name in stale:
        terminal.say(f"No advisories of {name} were imported: surefoot advisory import FILE")
    return GATE_FAILED if bad or stale else 0


@click.command()
@release_argument
@click.argument("about", metavar="FINDING", type=Text(80))
@click.option("--reason", type=Text(500), required=True, help="Why it may be; goes into the audit trail.")
@click.option("--valid", "valid_s", type=LIFETIME, help="For how long, such as 30d; for good unless given.")
@json_option
@pass_terminal
def waive(terminal: Terminal, release: str, about: str, reason: str, valid_s: float | None) -> None:
    """Let FINDING, or a lack (sbom, provenance, builder, scan), not count for a release.

    \b
    Example:
      surefoot release waive app/1.1 CVE-2026-1234 --reason "the decoder is not reachable" --valid 30d
    """
    body: dict[str, wire.Json] = {"about": about, "reason": reason, "valid_s": valid_s}
    with terminal.api() as api:
        answer = api.post(path("releases", *release_of(release), "waivers"), body)
    made = wire.from_json(Waiver, answer)
    end = f" until {shown.when(made.until)}" if made.until else ""
    terminal.data(answer, f"{about} does not count for {release}{end} (waiver {made.id}).")


@click.command()
@click.argument("waiver_id", metavar="WAIVER", type=Whole(1, 999_999_999))
@json_option
@pass_terminal
def unwaive(terminal: Terminal, waiver_id: int) -> None:
    """Take a waiver back; `release scan` lists them.

    \b
    Example:
      surefoot release unwaive 3
    """
    with terminal.api() as api:
        answer = api.post(path("waivers", str(waiver_id), "withdraw"))
    terminal.data(answer, f"Waiver {waiver_id} is withdrawn.")


@click.command()
@release_argument
@click.argument("statement", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@pass_terminal
def attest(terminal: Terminal, release: str, statement: Path) -> None:
    """Store the provenance of a release: an in-toto STATEMENT with an SLSA predicate, bare or in a DSSE envelope.

    Its subject must be the release's digest, which is the sha256 of its manifest.json. Says whose key verifies it: the
    server's keys folder holds those of builders, as builders/NAME.pem (ed25519 or ECDSA on P-256).

    \b
    Example:
      surefoot release attest app/1.1 provenance.json
    """
    with terminal.api() as api:
        answer = api.post_file(path("releases", *release_of(release), "provenance"), read_file(statement))
    found = wire.from_json(Document, answer).attested
    terminal.data(answer, f"The provenance of {release} is stored: {shown.plain(found.told)}.")


def _told(found: Scan) -> str:
    ages = ", ".join(f"{name} {_age(age_s)}" for name, age_s in sorted(found.ages_s.items()))
    block = facts(
        [
            ("Release", found.release),
            ("Bill", f"sha256 {found.sbom}" if found.sbom else "none"),
            ("Provenance", f"sha256 {found.provenance}" if found.provenance else "none"),
            ("", shown.plain(found.attested.told) if found.attested else ""),
            ("Predicate", shown.plain(found.attested.predicate_type) if found.attested else ""),
            ("Builder", shown.plain(found.attested.builder) if found.attested else ""),
            ("Parts", f"{found.judged} of {found.parts} could be looked up" if found.sbom else ""),
            ("Advisories", ages),
        ]
    )
    rows = [
        (f.id, f.severity, f.package, f.version, ", ".join(f.fixed[-2:]), shown.plain(_note(f))) for f in found.findings
    ]
    table = (
        columns(("FINDING", "SEVERITY", "PACKAGE", "VERSION", "FIXED IN", ""), rows) if rows else "Nothing is known."
    )
    waivers = [
        (w.id, w.about, w.by, shown.when(w.until) if w.until else "for good", shown.plain(w.reason))
        for w in found.waivers
        if w.withdrawn_at is None
    ]
    parts = [block, table if found.sbom else ""]
    parts.append(columns(("WAIVER", "ABOUT", "BY", "UNTIL", "REASON"), waivers) if waivers else "")
    return "\n\n".join(part for part in parts if part)


def _note(found: Finding) -> str:
    return f"waived by {found.waiver.by}: {found.waiver.reason}" if found.waiver else found.summary


def _age(age_s: float | None) -> str:
    return "never imported" if age_s is None else f"{age_s / DAY_S:.0f} days old"


def _counts(found: Finding, least: str) -> bool:
    return found.severity == "unrated" or RANKS.index(found.severity) >= RANKS.index(least)
