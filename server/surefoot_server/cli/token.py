"""`surefoot token`: what programs sign in with, each with a role, where it holds and until when."""

from __future__ import annotations

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import LIFETIME, NAME, Text, path
from surefoot_server.cli.terminal import Terminal, Verbs, columns, json_option, pass_terminal
from surefoot_server.cli.user import ROLE
from surefoot_shared import wire
from surefoot_shared.wire import Json


@click.group(cls=Verbs)
def token() -> None:
    """Let programs in, with roles that end.

    \b
    Example:
      surefoot token create ci --role releaser --scope channel:dev > ci.token
    """


@token.command()
@click.argument("name", type=NAME)
@click.option("--role", type=ROLE, default="viewer", show_default=True, help="What it opens.")
@click.option(
    "--scope",
    "scopes",
    type=Text(80),
    multiple=True,
    help="cohort:NAME or channel:NAME; may be repeated; else the fleet.",
)
@click.option("--valid", type=LIFETIME, default="90d", show_default=True, help="For how long.")
@click.option("--owner", type=NAME, help="The user whose acts its acts are; you, unless somebody is named.")
@json_option
@pass_terminal
def create(terminal: Terminal, name: str, role: str, scopes: tuple[str, ...], valid: float, owner: str | None) -> None:
    """Make a token; it is shown once and stands on stdout.

    \b
    Example:
      surefoot token create ci --role releaser --scope channel:dev --valid 30d > ci.token
    """
    wish: dict[str, Json] = {"name": name, "role": role, "scopes": list(scopes), "valid_s": valid, "owner": owner}
    with terminal.api() as api:
        made = api.post("/tokens", wish)
    told = wire.from_json(shown.NewToken, made)
    terminal.say(
        f"{role} over {', '.join(scopes) or 'the fleet'} until {shown.when(told.expires_at)}. It is not shown again."
    )
    terminal.data(made, told.token)


@token.command("list")
@json_option
@pass_terminal
def list_tokens(terminal: Terminal) -> None:
    """List tokens: what each opens, whose it is and when it ends.

    \b
    Example:
      surefoot token list
    """
    with terminal.api() as api:
        answer = api.get("/tokens")
    rows = [
        (
            t.id,
            t.name,
            t.role,
            ", ".join(t.scopes) or "fleet",
            t.owner,
            shown.when(t.expires_at),
            shown.when(t.revoked_at),
        )
        for t in shown.many(shown.AccessToken, answer)
    ]
    terminal.data(answer, columns(("ID", "NAME", "ROLE", "OVER", "OWNER", "EXPIRES", "REVOKED"), rows))


@token.command()
@click.argument("token_id", type=NAME)
@json_option
@pass_terminal
def revoke(terminal: Terminal, token_id: str) -> None:
    """End a token, by its id or name, at once.

    \b
    Example:
      surefoot token revoke ci
    """
    with terminal.api() as api:
        answer = api.delete(path("tokens", token_id))
    terminal.data(answer, f"Token {token_id} is revoked.")
