"""`surefoot keys`: make and show a fleet's keys; works on a folder, needs no server."""

from __future__ import annotations

from pathlib import Path

import click

from surefoot_server.cli.terminal import Terminal, Verbs, columns, count, facts, json_option, pass_terminal, passphrase
from surefoot_shared import wire

DIR = click.Path(path_type=Path, file_okay=False)


@click.group(cls=Verbs)
def keys() -> None:
    """Make and show a fleet's keys.

    \b
    Example:
      surefoot keys init ./keys
      surefoot keys show ./keys
    """


@keys.command()
@click.argument("folder", type=DIR)
@click.option("--fleet", default="fleet", show_default=True, help="The fleet's name, in every root.")
@click.option("--component", "components", multiple=True, default=("app",), show_default=True, help="May be repeated.")
@json_option
@pass_terminal
def init(terminal: Terminal, folder: Path, fleet: str, components: tuple[str, ...]) -> None:
    """Make the keys, roots and certificate authority of a fleet, or add components to those in FOLDER.

    The passphrase of the offline keys comes from the file that SUREFOOT_PASSPHRASE_FILE names, else it is asked.

    \b
    Example:
      surefoot keys init ./keys --component app --component model
    """
    from surefoot_server.db import utc_now
    from surefoot_server.keys.init import init_keys

    made = init_keys(folder, passphrase(new=True), utc_now(), fleet, components)
    terminal.say(made.banner)
    words = f"Wrote {count(len(made.files), 'file')} to {made.folder} for {', '.join(made.components)}."
    found = {"folder": str(made.folder), "components": list(made.components), "files": list(made.files)}
    terminal.data(wire.to_json(found), words)


@keys.command()
@click.argument("folder", type=DIR)
@json_option
@pass_terminal
def show(terminal: Terminal, folder: Path) -> None:
    """Show which keys sign what, where they are, and when signatures run out; no secret is shown.

    \b
    Example:
      surefoot keys show ./keys
    """
    from surefoot_server.keys.show import show_keys

    shown = show_keys(folder)
    rows = [
        (
            r.repository,
            r.role,
            f"{r.threshold} of {len(r.keyids)}",
            r.version,
            f"{r.expires:%Y-%m-%d}" if r.expires else "",
        )
        for r in shown.roles
    ]
    block = facts(
        [
            ("Fleet", shown.fleet),
            ("Components", ", ".join(shown.components)),
            ("Offline keys here", ", ".join(shown.offline) or "none (they are in a safe)"),
            ("Online keys here", ", ".join(shown.online) or "none"),
            ("Note", "every role is signed by 1 of 1" if shown.one_of_one else ""),
        ]
    )
    roles = [
        {
            "repository": r.repository,
            "role": r.role,
            "threshold": r.threshold,
            "keyids": list(r.keyids),
            "version": r.version,
            "expires": r.expires.isoformat() if r.expires else None,
        }
        for r in shown.roles
    ]
    value = {
        "fleet": shown.fleet,
        "components": list(shown.components),
        "offline": list(shown.offline),
        "online": list(shown.online),
        "one_of_one": shown.one_of_one,
        "roles": roles,
    }
    table = columns(("REPOSITORY", "ROLE", "THRESHOLD", "VERSION", "EXPIRES"), rows)
    terminal.data(wire.to_json(value), f"{block}\n\n{table}")
