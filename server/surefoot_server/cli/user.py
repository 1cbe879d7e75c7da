"""`surefoot user`: people, their roles, and where each role holds."""

from __future__ import annotations

import sys

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import NAME, Text, path
from surefoot_server.cli.terminal import Terminal, Verbs, columns, json_option, pass_terminal
from surefoot_shared import wire
from surefoot_shared.wire import Json

ROLE = click.Choice(["viewer", "operator", "releaser", "admin"])
scope_option = click.option(
    "--scope", type=Text(80), default="fleet", show_default=True, help="fleet, cohort:NAME or channel:NAME."
)
reason_option = click.option("--reason", type=Text(500), default="", help="Why; it is kept in the audit trail.")


@click.group(cls=Verbs)
def user() -> None:
    """Let people in, each with a role over the fleet or a part of it.

    \b
    Example:
      surefoot user create linh --role operator --scope cohort:hanoi
    """


@user.command("list")
@json_option
@pass_terminal
def list_users(terminal: Terminal) -> None:
    """List users, their roles and how they sign in.

    \b
    Example:
      surefoot user list
    """
    with terminal.api() as api:
        answer = api.get("/users")
    rows = [
        (u.name, _roles(u), ", ".join(u.signs_in_by), shown.when(u.disabled_at)) for u in shown.many(shown.User, answer)
    ]
    terminal.data(answer, columns(("NAME", "ROLES", "SIGNS IN BY", "DISABLED"), rows))


@user.command()
@click.argument("name", type=NAME)
@click.option("--role", type=ROLE, default="viewer", show_default=True, help="What the user may do.")
@scope_option
@click.option("--no-password", is_flag=True, help="Only the identity provider lets the user in.")
@json_option
@pass_terminal
def create(terminal: Terminal, name: str, role: str, scope: str, no_password: bool) -> None:
    """Make a user; the password is asked for, or read as the first line of the standard input.

    \b
    Example:
      surefoot user create linh --role operator --scope cohort:hanoi
    """
    wish: dict[str, Json] = {"name": name, "grants": [{"role": role, "scope": scope}]}
    if not no_password:
        wish["password"] = new_password(name)
    with terminal.api() as api:
        answer = api.post("/users", wish)
    terminal.data(answer, f"User {name} is {role} over {scope}.")


@user.command()
@click.argument("name", type=NAME)
@click.option("--role", type=ROLE, required=True, help="What the user may do there.")
@scope_option
@reason_option
@json_option
@pass_terminal
def grant(terminal: Terminal, name: str, role: str, scope: str, reason: str) -> None:
    """Give a role over the fleet, a cohort or a channel, instead of the one there was.

    \b
    Example:
      surefoot user grant linh --role releaser --scope channel:dev
    """
    with terminal.api() as api:
        answer = api.post(f"/users{path(name)}/grant", {"role": role, "scope": scope, "reason": reason})
    terminal.data(answer, f"{name}: {_roles(wire.from_json(shown.User, answer))}.")


@user.command()
@click.argument("name", type=NAME)
@scope_option
@reason_option
@json_option
@pass_terminal
def withdraw(terminal: Terminal, name: str, scope: str, reason: str) -> None:
    """Take the role over the fleet, a cohort or a channel away.

    \b
    Example:
      surefoot user withdraw linh --scope channel:dev
    """
    with terminal.api() as api:
        answer = api.post(f"/users{path(name)}/withdraw", {"scope": scope, "reason": reason})
    terminal.data(answer, f"{name}: {_roles(wire.from_json(shown.User, answer)) or 'no role'}.")


@user.command()
@click.argument("name", type=NAME)
@json_option
@pass_terminal
def password(terminal: Terminal, name: str) -> None:
    """Give a user a new password; every session of theirs ends.

    \b
    Example:
      surefoot user password admin
    """
    with terminal.api() as api:
        answer = api.post(f"/users{path(name)}/password", {"password": new_password(name)})
    terminal.data(answer, f"The password of {name} is changed.")


@user.command("own-password")
@json_option
@pass_terminal
def own_password(terminal: Terminal) -> None:
    """Change your own password; the present one is asked for first, or read as the first of two lines.

    The token must be one of yours. Every session of yours ends; tokens go on.

    \b
    Example:
      surefoot user own-password
    """
    with terminal.api() as api:
        me = wire.from_json(shown.Me, api.get("/me"))
        present = _asked(f"Present password of {me.user or me.name}")
        answer = api.post("/me/password", {"present": present, "new": new_password(me.user or me.name)})
    terminal.data(answer, "Your password is changed.")


@user.command()
@json_option
@pass_terminal
def whoami(terminal: Terminal) -> None:
    """Say whose the token is, and which roles it has over what.

    \b
    Example:
      surefoot user whoami
    """
    with terminal.api() as api:
        answer = api.get("/me")
    me = wire.from_json(shown.Me, answer)
    terminal.data(answer, f"{me.name}{f' of {me.user}' if me.user not in (None, me.name) else ''}: {_roles(me)}.")


@user.command()
@click.argument("name", type=NAME)
@reason_option
@json_option
@pass_terminal
def disable(terminal: Terminal, name: str, reason: str) -> None:
    """Let a user in no more: sessions end, and the user's tokens open nothing.

    \b
    Example:
      surefoot user disable linh --reason "left the company"
    """
    with terminal.api() as api:
        answer = api.post(f"/users{path(name)}/disable", {"reason": reason})
    terminal.data(answer, f"User {name} is disabled.")


@user.command()
@click.argument("name", type=NAME)
@reason_option
@json_option
@pass_terminal
def enable(terminal: Terminal, name: str, reason: str) -> None:
    """Let a disabled user in again.

    \b
    Example:
      surefoot user enable linh
    """
    with terminal.api() as api:
        answer = api.post(f"/users{path(name)}/enable", {"reason": reason})
    terminal.data(answer, f"User {name} is enabled.")


def new_password(name: str) -> str:
    """Ask twice at a terminal, else read one line: a password never is an argument, which everybody may list."""
    if sys.stdin.isatty():
        return str(click.prompt(f"New password of {name}", hide_input=True, confirmation_prompt=True, err=True))
    return _line()


def _asked(question: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(question, hide_input=True, err=True))
    return _line()


def _line() -> str:
    line = sys.stdin.readline().rstrip("\n")
    if not line:
        raise click.UsageError("There is no password on the standard input, and nobody can be asked here.")
    return line


def _roles(row: shown.User | shown.Me) -> str:
    return ", ".join(g.role if g.scope == "fleet" else f"{g.role} over {g.scope}" for g in row.grants)
