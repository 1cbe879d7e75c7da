"""`surefoot up`: run the whole server in one process."""

from __future__ import annotations

import logging
import sys
from dataclasses import asdict
from pathlib import Path

import click

from surefoot_server.cli.terminal import Terminal, json_option, pass_terminal
from surefoot_shared.wire import Json

DIR = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--data", "data_dir", type=DIR, help="Folder for database, artifacts and secrets.")
@click.option("--keys", "keys_dir", type=DIR, help="Folder made by `surefoot keys init`; offline/ is never read.")
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="Read this file, not the drop-ins.")
@click.option("--public-host", help="Name under which devices reach this server.")
@click.option("--listen", help="Address that the devices' listeners bind.")
@click.option("--device-port", type=int, help="HTTPS for devices.")
@click.option("--api-port", type=int, help="HTTP for operators, on 127.0.0.1 only.")
@click.option("--mqtt-port", type=int, help="The broker.")
@click.option("--log-level", help="DEBUG, INFO, WARNING or ERROR.")
@json_option
@pass_terminal
def up(terminal: Terminal, /, config: Path | None, **given: object) -> None:
    """Run the whole server in one process: API, broker, gateway, engine.

    Settings come from drop-ins in /usr/lib, /etc and /run/surefoot/server.d, then from SUREFOOT_SERVER_<KEY>,
    then from these options. It serves until SIGTERM or Ctrl-C.

    \b
    Example:
      surefoot keys init ./keys
      surefoot up --data ./data --keys ./keys
    """
    from surefoot_server.config import load
    from surefoot_server.up import Ready, run_up

    settings = load(config, given=given)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")

    def ready(told: Ready) -> None:
        facts: dict[str, Json] = {name: str(value) for name, value in asdict(told).items() if name != "password"}
        terminal.data(facts, told.text())
        if told.password:
            terminal.say(_first_user(told.password))

    run_up(settings, ready)


def _first_user(password: str) -> str:
    """A journal or a file would keep what is written here, so only somebody who looks is told the password."""
    if sys.stderr.isatty():
        return f"  Sign in     as admin with the password {password}\n              It is not shown again."
    return "  Sign in     as admin, once `surefoot user password admin` has given a password"
