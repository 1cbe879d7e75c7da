"""`surefoot audit`: read who did what, and check that nobody changed the record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import Text, Whole
from surefoot_server.cli.terminal import Command, Terminal, Verbs, columns, json_option, pass_terminal
from surefoot_shared import wire
from surefoot_shared.errors import ConfigError, Invalid, UntrustedRelease
from surefoot_shared.messages import Checkpoint
from surefoot_shared.wire import Json

if TYPE_CHECKING:
    from surefoot_server.audit.chain import Row
    from surefoot_server.cli.client import Api

VERIFICATION_FAILED = 8
MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


@dataclass(frozen=True)
class Verification:
    whole: bool
    rows: int
    head: str
    problem: str


@click.group(cls=Verbs)
def audit() -> None:
    """Read who did what.

    \b
    Example:
      surefoot audit list --object rollout:r1
    """


def question_options(command: Command) -> Command:
    """Which entries are meant: `of`, `actor`, `action`, `text`, `since` and `until`."""
    for option in (
        click.option("--until", type=MOMENT, default=None, help="Before this day or moment, in UTC."),
        click.option("--since", type=MOMENT, default=None, help="From this day or moment on, in UTC."),
        click.option("--text", type=Text(200), default="", help="Text in the detail."),
        click.option("--action", type=Text(80), default="", help="One act such as rollout.halt, or all of a rollout."),
        click.option("--actor", type=Text(80), default="", help="Who did it."),
        click.option("--object", "of", type=Text(200), default="", help="A kind:id such as rollout:r1, or a kind."),
    ):
        command = option(command)
    return command


@audit.command("list")
@question_options
@click.option("--limit", type=Whole(1, 1000), default=50, show_default=True, help="How many, the newest first.")
@json_option
@pass_terminal
def list_entries(
    terminal: Terminal,
    limit: int,
    of: str,
    actor: str,
    action: str,
    text: str,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """List what people and the engine did, the newest first.

    \b
    Example:
      surefoot audit list --object device:cam-17 --limit 20
      surefoot audit list --actor anna --action rollout --since 2026-03-01
    """
    asked = _question(of, actor, action, text, since, until)
    with terminal.api() as api:
        answer = api.get("/audit", limit=limit, **asked)
    entries = shown.many(shown.AuditEntry, answer)
    rows = [(e.seq, shown.when(e.at), e.actor, e.action, e.object, _detail(e)) for e in entries]
    terminal.data(answer, columns(("NO", "AT", "WHO", "DID", "TO", "DETAIL"), rows))


@audit.command()
@question_options
@click.option("--form", type=click.Choice(("jsonl", "csv")), default="jsonl", show_default=True, help="What to write.")
@click.option("--out", "-o", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
@json_option
@pass_terminal
def export(
    terminal: Terminal,
    form: str,
    out: Path,
    of: str,
    actor: str,
    action: str,
    text: str,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Write entries with the hashes that chain them to a file, the oldest first.

    \b
    Example:
      surefoot audit export --since 2026-01-01 --form csv -o audit.csv
    """
    asked, size = _question(of, actor, action, text, since, until), 0
    with terminal.api() as api, out.open("w", encoding="utf-8", newline="") as file:
        for piece in api.text("/audit/export", form=form, **asked):
            size += file.write(piece)
    terminal.data({"file": str(out), "characters": size}, f"{out}: {size} characters")


def _question(
    of: str, actor: str, action: str, text: str, since: datetime | None, until: datetime | None
) -> dict[str, str | int | None]:
    def moment(at: datetime | None) -> str:
        return f"{at.isoformat()}Z" if at else ""

    texts = {"object": of, "actor": actor, "action": action, "text": text}
    return {**texts, "since": moment(since), "until": moment(until)}


@audit.command()
@json_option
@pass_terminal
def checkpoint(terminal: Terminal) -> None:
    """Print a signed note of how far the record has come; keep it where the server cannot reach it.

    \b
    Example:
      surefoot audit checkpoint > audit-checkpoint.json
    """
    with terminal.api() as api:
        made = api.post("/audit/checkpoints")
    terminal.data(made, json.dumps(made, indent=2))


@audit.command()
@click.option(
    "--checkpoint",
    "noted",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="File of `surefoot audit checkpoint`: every entry is read and checked here, and a cut shows.",
)
@json_option
@pass_terminal
def verify(terminal: Terminal, noted: Path | None) -> int:
    """Check the whole chain of entries; exits with 8 where one was altered or removed.

    \b
    Example:
      surefoot audit verify
      surefoot audit verify --checkpoint audit-checkpoint.json
    """
    with terminal.api() as api:
        answer = api.get("/audit/verify") if noted is None else _walked(api, noted)
    found = wire.from_json(Verification, answer)
    words = f"{found.rows} entries, whole; the newest has hash {found.head}" if found.whole else found.problem
    terminal.data(answer, words)
    return 0 if found.whole else VERIFICATION_FAILED


def _walked(api: Api, noted: Path) -> Json:
    """Walk the chain here: a server that lies about its record would lie about its verification too."""
    from surefoot_server.audit import chain

    found = chain.walk((_row(line) for line in _lines(api.text("/audit/export", form="jsonl"))), _checkpoint(noted))
    return {
        "whole": found.whole,
        "rows": found.rows,
        "head": found.head,
        "broken_at": found.broken_at,
        "problem": found.problem,
    }


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    rest = ""
    for piece in pieces:
        *whole, rest = (rest + piece).split("\n")
        yield from (line for line in whole if line)
    if rest:
        yield rest


def _row(line: str) -> Row:
    from surefoot_server.audit.chain import Row

    fields = json.loads(line)
    at = datetime.fromisoformat(str(fields.pop("at")).replace("Z", "+00:00"))
    return Row(at=at, **{name: fields[name] for name in Row.__dataclass_fields__ if name != "at"})


def _checkpoint(noted: Path) -> Checkpoint:
    """Read and prove it; raises ConfigError."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    from surefoot_server.audit import chain

    try:
        raw = json.loads(noted.read_bytes())
        key, made = load_pem_public_key(str(raw["key"]).encode()), wire.from_json(Checkpoint, raw)
    except (OSError, ValueError, KeyError, TypeError, Invalid) as error:
        hint = "Give a file that `surefoot audit checkpoint` wrote."
        raise ConfigError("config_unreadable", f"{noted} is no checkpoint of an audit trail.", hint) from error
    if not isinstance(key, Ed25519PublicKey) or not chain.is_signed(made, key):
        raise UntrustedRelease("metadata_untrusted", f"The signature in {noted} is wrong, so it proves nothing.")
    return made


def _detail(entry: shown.AuditEntry) -> str:
    told = entry.detail.get("reason")
    text = str(told) if told else json.dumps(entry.detail, ensure_ascii=False)
    return text if len(text) <= 100 else text[:99] + "…"
