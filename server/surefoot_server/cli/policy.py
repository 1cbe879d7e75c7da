"""`surefoot policy`: see the policies that `surefoot apply` saved; rollouts and channels name them."""

from __future__ import annotations

from dataclasses import dataclass

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import NAME, path
from surefoot_server.cli.terminal import Terminal, Verbs, columns, json_option, pass_terminal
from surefoot_shared import wire


@dataclass(frozen=True)
class Policy:
    name: str
    text: str
    changed_at: str
    changed_by: str


@click.group(cls=Verbs)
def policy() -> None:
    """See the policies that `surefoot apply` saved; `rollout start --policy NAME` and channels name them.

    \b
    Example:
      surefoot policy list
    """


@policy.command("list")
@json_option
@pass_terminal
def list_policies(terminal: Terminal) -> None:
    """List saved policies with who changed them last.

    \b
    Example:
      surefoot policy list
    """
    with terminal.api() as api:
        answer = api.get("/policies")
    rows = [(p.name, shown.when(p.changed_at), p.changed_by) for p in shown.many(Policy, answer)]
    terminal.data(answer, columns(("POLICY", "CHANGED", "BY"), rows))


@policy.command()
@click.argument("name", type=NAME)
@json_option
@pass_terminal
def show(terminal: Terminal, name: str) -> None:
    """Print a saved policy.

    \b
    Example:
      surefoot policy show careful
    """
    with terminal.api() as api:
        answer = api.get(path("policies", name))
    terminal.data(answer, wire.from_json(Policy, answer).text.rstrip())
