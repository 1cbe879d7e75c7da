"""`surefoot backup` and `surefoot restore`: a server in one file, and back."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import click

from surefoot_server.cli.terminal import Terminal, count, json_option, pass_terminal
from surefoot_shared.wire import Json

DIR = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
CONFIG = click.option("--config", type=FILE, help="Read this file, not the drop-ins.")


@click.command()
@click.argument("file", type=FILE)
@click.option("--data", "data_dir", type=DIR, help="The server's data folder.")
@click.option("--keys", "keys_dir", type=DIR, help="The server's keys folder.")
@CONFIG
@json_option
@pass_terminal
def backup(terminal: Terminal, /, file: Path, config: Path | None, **given: object) -> None:
    """Write database, keys, artifacts and secrets into FILE, on the server's machine, also while it runs.

    Who has the file can be the server: keep it as you keep its disk. Encrypted keys stay encrypted.

    \b
    Example:
      surefoot backup --data ./data --keys ./keys monday.tar
    """
    from surefoot_server.backup import back_up
    from surefoot_server.config import load

    made = back_up(load(config, given=given), file, datetime.now(timezone.utc))
    answer: dict[str, Json] = {"file": str(made.path), "files": made.files, "size_bytes": made.size_bytes}
    terminal.data(answer, f"{made.path} holds {count(made.files, 'file')}, {made.size_bytes / 1e6:,.1f} MB.")


@click.command()
@click.argument("file", type=FILE)
@click.option("--data", "data_dir", type=DIR, help="Where the data folder shall be; empty or not there.")
@click.option("--keys", "keys_dir", type=DIR, help="Where the keys folder shall be; empty or not there.")
@CONFIG
@json_option
@pass_terminal
def restore(terminal: Terminal, /, file: Path, config: Path | None, **given: object) -> None:
    """Put a backup into empty folders, checked by its hashes; then start the server with them.

    Devices go on where they are. What was published after the backup must be published again.

    \b
    Example:
      surefoot restore --data ./data --keys ./keys monday.tar
    """
    from surefoot_server.backup import restore as put_back
    from surefoot_server.config import load

    settings = load(config, given=given)
    made = put_back(settings, file)
    answer: dict[str, Json] = {"file": str(made.path), "files": made.files, "data_dir": str(settings.data_dir)}
    terminal.data(answer, f"{count(made.files, 'file')} are in {settings.data_dir} and {settings.keys_dir}.")
