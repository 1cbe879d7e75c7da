"""`surefoot event`: what happened, as far back as the server keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import Text, Whole
from surefoot_server.cli.shown import Plain
from surefoot_server.cli.terminal import Terminal, Verbs, columns, json_option, pass_terminal
from surefoot_server.cli.webhook import KINDS

SAID = ("state", "verdict", "outcome", "alarm", "action", "name", "release", "reason", "message")
"""Parts of a detail that say most, in the order in which they are read."""


@dataclass(frozen=True)
class Event:
    id: int
    at: str
    kind: str
    subject: str
    actor: str
    detail: Mapping[str, Plain]


@click.group(cls=Verbs)
def event() -> None:
    """See what happened.

    \b
    Example:
      surefoot event list --rollout r1
    """


@event.command("list")
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Only these kinds; may be repeated.")
@click.option("--rollout", type=Text(16), default=None, help="Only of this rollout.")
@click.option("--device", type=Text(64), default=None, help="Only of this device.")
@click.option("--limit", type=Whole(1, 1000), default=50, show_default=True, help="How many, the newest first.")
@json_option
@pass_terminal
def list_events(
    terminal: Terminal, kinds: tuple[str, ...], rollout: str | None, device: str | None, limit: int
) -> None:
    """List what happened, the newest first.

    \b
    Example:
      surefoot event list --kind outcome --kind alarm --limit 20
      surefoot event list --device cam-17 --json
    """
    with terminal.api() as api:
        answer = api.get("/events/history", limit=limit, kind=list(kinds), rollout=rollout, device=device)
    rows = [(e.id, shown.when(e.at), e.kind, e.subject, e.actor, _said(e.detail)) for e in shown.many(Event, answer)]
    terminal.data(answer, columns(("NO", "AT", "KIND", "OF", "WHO", "WHAT"), rows))


def _said(detail: Mapping[str, Plain]) -> str:
    return " ".join(str(detail[name]) for name in SAID if detail.get(name))
