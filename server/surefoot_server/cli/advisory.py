"""`surefoot advisory`: known vulnerabilities from a file, without a network; and the advisories against releases.

Promises: of a file only records of PyPI and Debian are sent, in batches, and no member of an archive larger than the
limit is opened; interrupted, it is begun again and ends the same.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import Whole, path
from surefoot_server.cli.terminal import Terminal, Verbs, columns, count, json_option, pass_terminal
from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.wire import Json

ECOSYSTEMS = ("PyPI", "Debian")
BATCH = 1000
RECORD_LIMIT_BYTES = 16 * 1024 * 1024
DROPPED = ("details", "references", "credits")
"""The bulk of a record, of which nothing is matched."""
NAMED = 3


@dataclass(frozen=True)
class Taken:
    taken: int
    unreadable: int


@dataclass(frozen=True)
class Finding:
    id: str
    package: str
    version: str
    severity: str


@dataclass(frozen=True)
class News:
    release: str
    devices: int
    does: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Source:
    ecosystem: str
    newest: str
    imported_at: str
    imported_by: str
    file: str
    records: int


@dataclass(frozen=True)
class Advisory:
    id: int
    at: str
    by: str
    release: str
    reference: str
    reason: str
    do: str
    withdrawn_at: str | None
    devices: tuple[str, ...]


@click.group(cls=Verbs)
def advisory() -> None:
    """Import known vulnerabilities; see and withdraw advisories against releases.

    \b
    Example:
      surefoot advisory import all.zip
    """


@advisory.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@json_option
@pass_terminal
def import_file(terminal: Terminal, file: Path) -> None:
    """Import OSV records from FILE: an archive as OSV publishes it for each ecosystem, or a .json of one or a list.

    Records of PyPI and Debian are kept. It says what is new of which release, and does what a release's channels ask
    for (`scan: {on_finding: halt}`).

    \b
    Example:
      surefoot advisory import PyPI-all.zip
    """
    taken = unreadable = 0
    with terminal.api() as api:
        for batch in _batches(file):
            answer = api.post("/vulnerabilities", {"records": batch, "file": file.name})
            said = wire.from_json(Taken, answer)
            taken, unreadable = taken + said.taken, unreadable + said.unreadable
        if not taken:
            hint = "OSV publishes all.zip for each ecosystem; records of PyPI and Debian are read."
            raise Invalid("malformed", f"{file} has no OSV record of PyPI or Debian.", hint)
        answer = api.post("/vulnerabilities/finish", {"file": file.name, "records": taken})
    if unreadable:
        terminal.say(f"{count(unreadable, 'record')} could not be read and {_was(unreadable)} left out.")
    news = [_news(each) for each in shown.many(News, answer)]
    terminal.data(
        answer, "\n".join([f"{count(taken, 'record')} imported.", *(news or ["Nothing new of any release."])])
    )


@advisory.command("sources")
@json_option
@pass_terminal
def list_sources(terminal: Terminal) -> None:
    """List what was imported and how fresh it is.

    \b
    Example:
      surefoot advisory sources
    """
    with terminal.api() as api:
        answer = api.get("/vulnerabilities/sources")
    rows = [
        (s.ecosystem, s.records, shown.when(s.newest), shown.when(s.imported_at), s.imported_by, s.file)
        for s in shown.many(Source, answer)
    ]
    terminal.data(answer, columns(("ECOSYSTEM", "RECORDS", "NEWEST", "IMPORTED", "BY", "FILE"), rows))


@advisory.command("concerns")
@json_option
@pass_terminal
def list_concerns(terminal: Terminal) -> None:
    """List releases that devices run although something high, critical or unrated is known of them.

    \b
    Example:
      surefoot advisory concerns
    """
    with terminal.api() as api:
        answer = api.get("/findings")
    lines = [str(each.get("told")) for each in answer if isinstance(each, dict)] if isinstance(answer, list) else []
    terminal.data(answer, shown.plain("\n".join(lines)) or "Nothing is known of what devices run.")


@advisory.command("list")
@json_option
@pass_terminal
def list_advisories(terminal: Terminal) -> None:
    """List advisories against releases, the newest first (`surefoot release advisory` adds one).

    \b
    Example:
      surefoot advisory list
    """
    with terminal.api() as api:
        answer = api.get("/advisories")
    rows = [
        (a.id, a.release, a.do, len(a.devices), a.by, shown.plain(f"{a.reference} {a.reason}".strip()), _gone(a))
        for a in shown.many(Advisory, answer)
    ]
    terminal.data(answer, columns(("ADVISORY", "RELEASE", "DOES", "RUN IT", "BY", "REASON", ""), rows))


@advisory.command()
@click.argument("advisory_id", metavar="ADVISORY", type=Whole(1, 999_999_999))
@json_option
@pass_terminal
def withdraw(terminal: Terminal, advisory_id: int) -> None:
    """Take an advisory back; a rollout that it stopped goes on with `surefoot rollout resume`.

    \b
    Example:
      surefoot advisory withdraw 3
    """
    with terminal.api() as api:
        answer = api.post(path("advisories", str(advisory_id), "withdraw"))
    terminal.data(answer, f"Advisory {advisory_id} is withdrawn.")


def _gone(found: Advisory) -> str:
    return "withdrawn" if found.withdrawn_at else ""


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _news(news: News) -> str:
    named = ", ".join(f"{f.id} ({f.severity}) in {f.package} {f.version}" for f in news.findings[:NAMED])
    more = f" and {len(news.findings) - NAMED} more" if len(news.findings) > NAMED else ""
    runs = f"{count(news.devices, 'device')} {'runs' if news.devices == 1 else 'run'} it"
    did = "" if news.does == "nothing" else f"; its channel asks for {news.does}"
    return shown.plain(f"{news.release}: {named}{more}; {runs}{did}.")


def _batches(file: Path) -> Iterator[list[Json]]:
    batch: list[Json] = []
    for record in _records(file):
        if _wanted(record):
            batch.append({key: value for key, value in record.items() if key not in DROPPED})
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _records(file: Path) -> Iterator[dict[str, Json]]:
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                for member in archive.infolist():
                    if member.filename.endswith(".json") and member.file_size <= RECORD_LIMIT_BYTES:
                        yield from _parsed(archive.read(member))
        else:
            yield from _parsed(file.read_bytes())
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise Invalid("malformed", f"{file} cannot be read: {error}.", "Name an all.zip or a .json of OSV.") from error


def _parsed(raw: bytes) -> Iterator[dict[str, Json]]:
    value = json.loads(raw)
    yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict))


def _wanted(record: dict[str, Json]) -> bool:
    """Of an ecosystem that is matched; a withdrawn record too, since it takes back what was imported before."""
    if record.get("withdrawn"):
        return True
    affected = record.get("affected")
    packages = [a.get("package") for a in affected if isinstance(a, dict)] if isinstance(affected, list) else []
    names = [str(p.get("ecosystem", "")) for p in packages if isinstance(p, dict)]
    return any(name.partition(":")[0] in ECOSYSTEMS for name in names)
