"""Which devices a command means: `--query`, `--cohort` and `--is`, the same three as in the console and the API."""

from __future__ import annotations

import click

from surefoot_server.cli.params import TAG, Text
from surefoot_server.cli.shown import Retagged, Tally
from surefoot_server.cli.terminal import Command, Terminal, count, json_option, pass_terminal, yes_option
from surefoot_shared import wire
from surefoot_shared.wire import Json

STANDINGS = ("online", "offline", "attention", "updating", "revoked")


def selection_options(command: Command) -> Command:
    """Add the three options, as `query`, `cohort` and `standing`."""
    for option in (
        click.option("--is", "standing", type=click.Choice(STANDINGS), default=None, help="How the device stands now."),
        click.option("--cohort", type=Text(4000), default="", help="A saved cohort, or an expression."),
        click.option(
            "--query", "-q", type=Text(200), default="", help="Words in id, hardware, attribute, tag or release."
        ),
    ):
        command = option(command)
    return command


@click.command()
@selection_options
@click.option("--add", "-a", type=TAG, multiple=True, help="Tag to add; may be repeated.")
@click.option("--remove", "-r", type=TAG, multiple=True, help="Tag to remove; may be repeated.")
@yes_option
@json_option
@pass_terminal
def retag(
    terminal: Terminal,
    query: str,
    cohort: str,
    standing: str | None,
    add: tuple[str, ...],
    remove: tuple[str, ...],
    yes: bool,
) -> None:
    """Add tags to many devices at once, or remove them; asks with their number first.

    \b
    Example:
      surefoot device retag --cohort "site ~ 'hanoi-*'" --add canary --remove lab
    """
    if not add and not remove:
        raise click.UsageError("No tag is given: --add or --remove.")
    with terminal.api() as api:
        found = wire.from_json(Tally, api.get("/selection", **{"q": query, "cohort": cohort, "is": standing}))
        what = " and ".join(filter(None, (_listed("add", add), _listed("remove", remove))))
        terminal.confirm(f"{what.capitalize()} on {count(found.devices, 'device')}?", yes)
        body: dict[str, Json] = {"q": query, "cohort": cohort, "is": standing, "devices": found.devices}
        answer = api.post("/selection/tags", {**body, "add": list(add), "remove": list(remove)})
    done = wire.from_json(Retagged, answer)
    words = f"{count(done.devices, 'device')}: {done.added} tags were added and {done.removed} removed."
    terminal.data(answer, words)


def _listed(verb: str, tags: tuple[str, ...]) -> str:
    return f"{verb} {', '.join(tags)}" if tags else ""
