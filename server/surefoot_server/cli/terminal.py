"""What every command shares: where data and talk go, how to ask, and the options that are the same everywhere.

Promises: data goes to stdout and nothing else does; talk, progress and questions go to stderr; `--json` prints what the
API said, unchanged; nothing is asked where nobody can answer. Colour is left to the terminal and to NO_COLOR.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from surefoot_shared.errors import ConfigError, NotAllowed
from surefoot_shared.wire import Json

if TYPE_CHECKING:
    from surefoot_server.cli.client import Api

Command = TypeVar("Command", bound=Callable[..., Any])
DEFAULT_SERVER = "http://127.0.0.1:8080"


@dataclass
class Terminal:
    """The choices that hold for one run; each command's own `--json` sets the same switch as the global one."""

    server: str = DEFAULT_SERVER
    token_file: Path | None = None
    json: bool = False

    def api(self) -> Api:
        """A client of the operator API, with the token that was given."""
        from surefoot_server.cli.client import Api  # the HTTP library costs a tenth of a second

        return Api(self.server, self._token())

    def data(self, value: Json, text: str) -> None:
        """Print an answer: the API's own JSON, or words."""
        if self.json:
            click.echo(json.dumps(value, indent=2, ensure_ascii=False))
        elif text:
            click.echo(text)

    def say(self, text: str) -> None:
        """Talk to the person; never data."""
        click.echo(text, err=True)

    def confirm(self, question: str, yes: bool) -> None:
        """Ask before something that cannot be taken back; raises UsageError where nobody can answer."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise click.UsageError(f"{question} Nobody can be asked here: give --yes.")
        if not click.confirm(question, err=True):
            raise Declined

    def _token(self) -> str:
        if self.token_file is None:
            hint = "Give --token-file or SUREFOOT_TOKEN_FILE; `surefoot up` prints where the first one is."
            raise NotAllowed("not_signed_in", "There is no token to sign in with.", hint)
        try:
            return self.token_file.read_text().strip()
        except OSError as error:
            hint = "`surefoot up` prints where the first token is."
            message = f"The token file {self.token_file} cannot be read: {error.strerror}."
            raise NotAllowed("not_signed_in", message, hint) from error


class Declined(click.ClickException):
    """A person was asked and said no."""

    def __init__(self) -> None:
        super().__init__("Nothing was done.")

    def show(self, file: IO[str] | None = None) -> None:
        click.echo(self.message, file=file, err=True)


class Verbs(click.Group):
    """A group that lists its commands in the order in which they are used, each with its whole first sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, found.get_short_help_str(limit=200)) for name, found in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


pass_terminal = click.make_pass_decorator(Terminal, ensure=True)
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


def json_option(command: Command) -> Command:
    """Give the command a `--json` of its own: it may stand before or after the command's name."""

    def switch(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        if value:
            context.ensure_object(Terminal).json = True

    option = click.option("--json", is_flag=True, expose_value=False, callback=switch, help="Print the API's own JSON.")
    return option(command)


def passphrase(*, new: bool) -> bytes:
    """The passphrase of the offline keys: from SUREFOOT_PASSPHRASE_FILE, else asked (twice for new keys)."""
    from surefoot_server.keys.files import PASSPHRASE_FILE, SHORTEST_PASSPHRASE, read_passphrase

    def ask() -> str:
        text = _hidden("Passphrase of the offline keys")
        if not text:
            raise ConfigError("config_invalid", "The passphrase is empty.", "Nothing was done; run it again.")
        if new and len(text) >= SHORTEST_PASSPHRASE and _hidden("The same again") != text:
            raise ConfigError("config_invalid", "The two passphrases differ.", "Nothing was done; run it again.")
        if not new and len(text) < SHORTEST_PASSPHRASE:  # no key was ever made with it; the rule is for new ones
            raise wrong
        return text

    wrong = ConfigError("config_invalid", "The keys cannot be opened with this passphrase.", "Is it the right one?")
    try:
        return read_passphrase(os.environ, ask if sys.stdin.isatty() else None)
    except ConfigError as error:
        if not new and error.kind == "config_invalid" and os.environ.get(PASSPHRASE_FILE):
            raise wrong from error
        raise


def _hidden(question: str) -> str:
    return str(click.prompt(question, default="", show_default=False, hide_input=True, err=True))


def utc_now() -> datetime:
    """What this machine's clock says; the server's own module for it loads the database, for half a second."""
    return datetime.now(timezone.utc)


def columns(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Align rows under their head; numbers to the right, so that they compare at a glance."""
    body = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(head), *body]) for i in range(len(head))]
    right = [bool(body) and all(_is_number(line[i]) for line in body) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        return "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True)).rstrip()

    return "\n".join([line(head), *(line(cells) for cells in body)])


def facts(pairs: Iterable[tuple[str, object]]) -> str:
    """A block of names and values, one a line."""
    listed = [(name, str(value)) for name, value in pairs if value not in (None, "")]
    width = max((len(name) for name, _ in listed), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in listed)


def count(number: int, what: str) -> str:
    """`1 device`, `3 devices`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()
