"""`surefoot site`: the sites that devices name, how each stands, and where it is on the map."""

from __future__ import annotations

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import NAME, path
from surefoot_server.cli.terminal import Terminal, Verbs, columns, count, json_option, pass_terminal, yes_option
from surefoot_shared.errors import NotFound


@click.group(cls=Verbs)
def site() -> None:
    """See sites, and say where they are.

    \b
    Example:
      surefoot site list
    """


@site.command("list")
@json_option
@pass_terminal
def list_sites(terminal: Terminal) -> None:
    """List the sites that devices name in their attribute `site`.

    \b
    Example:
      surefoot site list
    """
    with terminal.api() as api:
        answer = api.get("/sites")
    rows = [
        (
            s.name,
            s.state,
            s.devices,
            s.online,
            s.attention,
            "" if s.latitude is None else f"{s.latitude:g}, {s.longitude:g}",
        )
        for s in shown.many(shown.Site, answer)
    ]
    terminal.data(answer, columns(("SITE", "IS", "DEVICES", "ONLINE", "ATTENTION", "PLACE"), rows))


@site.command(context_settings={"ignore_unknown_options": True})
@click.argument("name", metavar="SITE", type=NAME)
@click.argument("latitude", type=click.FloatRange(-90, 90))
@click.argument("longitude", type=click.FloatRange(-180, 180))
@yes_option
@json_option
@pass_terminal
def place(terminal: Terminal, name: str, latitude: float, longitude: float, yes: bool) -> None:
    """Say where a site is, in decimal degrees; its devices get the attributes `latitude` and `longitude`.

    \b
    Example:
      surefoot site place hanoi-1 21.028 105.854
    """
    with terminal.api() as api:
        found = next((s for s in shown.many(shown.Site, api.get("/sites")) if s.name == name), None)
        if found is None:
            raise NotFound("not_found", f"No device names the site {name!r}.", "`surefoot site list` shows all.")
        terminal.confirm(f"Write the place of {name} to {count(found.devices, 'device')}?", yes)
        body = {"latitude": latitude, "longitude": longitude, "devices": found.devices}
        answer = api.put(path("sites", name), body)
    terminal.data(answer, f"{name} is at {latitude:g}, {longitude:g}.")


def _where(found: shown.Site) -> str:
    return "" if found.latitude is None else f"{found.latitude:g}, {found.longitude:g}"
