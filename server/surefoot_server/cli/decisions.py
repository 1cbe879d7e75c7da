"""`surefoot rollout decisions`: what the engine decided and people did, with the reasons."""

from __future__ import annotations

from dataclasses import dataclass

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import NAME, Whole, path
from surefoot_server.cli.terminal import Terminal, columns, json_option, pass_terminal


@dataclass(frozen=True)
class Decision:
    at: str
    actor: str
    kind: str
    phase: int | None
    device: str | None
    reason: str


@click.command()
@click.argument("rollout_id", metavar="ROLLOUT", type=NAME)
@click.option("--limit", type=Whole(1, 5000), default=50, show_default=True, help="How many, the newest first.")
@json_option
@pass_terminal
def decisions(terminal: Terminal, rollout_id: str, limit: int) -> None:
    """List what the engine decided about a rollout and what people did, the newest first, each with its reason.

    \b
    Example:
      surefoot rollout decisions r1 --limit 20
    """
    with terminal.api() as api:
        answer = api.get(path("rollouts", rollout_id, "decisions"), limit=limit)
    rows = [
        (shown.when(d.at), d.actor, d.kind, "" if d.phase is None else d.phase, d.device or "", shown.plain(d.reason))
        for d in shown.many(Decision, answer)
    ]
    terminal.data(answer, columns(("AT", "WHO", "DID", "PHASE", "DEVICE", "REASON"), rows))
