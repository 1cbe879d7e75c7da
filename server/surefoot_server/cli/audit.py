"""`surefoot audit`: read who did what, and check that nobody changed the record."""

from __future__ import annotations

import json

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import Whole
from surefoot_server.cli.terminal import Terminal, Verbs, columns, json_option, pass_terminal
from surefoot_shared import wire

VERIFICATION_FAILED = 8


@click.group(cls=Verbs)
def audit() -> None:
    """Read who did what.

    \b
    Example:
      surefoot audit list --object rollout:r1
    """


@audit.command("list")
@click.option("--object", "of", default="", help="Only entries of this kind:id, such as rollout:r1.")
@click.option("--limit", type=Whole(1, 1000), default=50, show_default=True, help="How many, the newest first.")
@json_option
@pass_terminal
def list_entries(terminal: Terminal, of: str, limit: int) -> None:
    """List what people and the engine did, the newest first.

    \b
    Example:
      surefoot audit list --object device:cam-17 --limit 20
    """
    with terminal.api() as api:
        answer = api.get("/audit", object=of, limit=limit)
    entries = shown.many(shown.AuditEntry, answer)
    rows = [(e.seq, shown.when(e.at), e.actor, e.action, e.object, _detail(e)) for e in entries]
    terminal.data(answer, columns(("NO", "AT", "WHO", "DID", "TO", "DETAIL"), rows))


@audit.command()
@json_option
@pass_terminal
def verify(terminal: Terminal) -> int:
    """Check the whole chain of entries; exits with 8 where one was altered or removed.

    \b
    Example:
      surefoot audit verify
    """
    with terminal.api() as api:
        answer = api.get("/audit/verify")
    found = wire.from_json(shown.Verification, answer)
    words = f"{found.rows} entries, whole; the newest has hash {found.head}" if found.whole else found.problem
    terminal.data(answer, words)
    return 0 if found.whole else VERIFICATION_FAILED


def _detail(entry: shown.AuditEntry) -> str:
    told = entry.detail.get("reason")
    text = str(told) if told else json.dumps(entry.detail, ensure_ascii=False)
    return text if len(text) <= 100 else text[:99] + "…"
