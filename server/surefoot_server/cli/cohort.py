"""`surefoot cohort`: save queries over devices."""

from __future__ import annotations

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import NAME, path
from surefoot_server.cli.terminal import Terminal, Verbs, columns, count, json_option, pass_terminal
from surefoot_shared import wire


@click.group(cls=Verbs)
def cohort() -> None:
    """Save queries over devices; who belongs is asked anew each time.

    \b
    Example:
      surefoot cohort create hanoi "site ~ 'hanoi-*' and not tag('lab')"
    """


@cohort.command()
@click.argument("name", type=NAME)
@click.argument("expression")
@json_option
@pass_terminal
def create(terminal: Terminal, name: str, expression: str) -> None:
    """Save EXPRESSION under NAME.

    Attributes hw, device, site, country, channel and your own; tag('x'); version('app'); operators == != < <= > >= in
    and ~ (glob); and, or, not, ( ); all.

    \b
    Example:
      surefoot cohort create old-jetsons "hw ~ 'jetson-*' and version('app') < '1.8.2'"
    """
    with terminal.api() as api:
        answer = api.post("/cohorts", {"name": name, "expression": expression})
    made = wire.from_json(shown.Cohort, answer)
    terminal.data(answer, f"Cohort {name} is saved and has {count(made.devices, 'device')} now.")


@cohort.command("list")
@json_option
@pass_terminal
def list_cohorts(terminal: Terminal) -> None:
    """List saved cohorts with how many devices belong now.

    \b
    Example:
      surefoot cohort list
    """
    with terminal.api() as api:
        answer = api.get("/cohorts")
    rows = [(c.name, c.devices, c.expression) for c in shown.many(shown.Cohort, answer)]
    terminal.data(answer, columns(("NAME", "DEVICES", "EXPRESSION"), rows))


@cohort.command()
@click.argument("name", type=NAME)
@json_option
@pass_terminal
def show(terminal: Terminal, name: str) -> None:
    """List the devices that belong to a cohort now.

    \b
    Example:
      surefoot cohort show hanoi
    """
    with terminal.api() as api:
        answer = api.get(path("cohorts", name))
    terminal.data(answer, "\n".join(wire.from_json(shown.Cohort, answer).members))
