"""`surefoot enrol-token`: tokens with which new devices join the fleet."""

from __future__ import annotations

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import LIFETIME, NAME, PAIR, TAG, Whole, path
from surefoot_server.cli.terminal import Terminal, Verbs, columns, count, json_option, pass_terminal
from surefoot_shared import wire
from surefoot_shared.wire import Json


@click.group(cls=Verbs)
def enrol_token() -> None:
    """Let new devices join the fleet.

    \b
    Example:
      surefoot enrol-token create --uses 12 --tag lab
    """


@enrol_token.command()
@click.option(
    "--uses", type=Whole(1, 100_000), default=1, show_default=True, help="How many devices may enrol with it."
)
@click.option("--valid", type=LIFETIME, default="24h", show_default=True, help="For how long.")
@click.option("--device", type=NAME, help="Only this device id.")
@click.option("--hw", type=NAME, help="Only this hardware.")
@click.option("--tag", "tags", type=TAG, multiple=True, help="Tag that the device gets; may be repeated.")
@click.option("--attribute", "attributes", type=PAIR, multiple=True, help="NAME=VALUE for the device; may be repeated.")
@click.option("--replace", is_flag=True, help="A known device may come back with a new key (administrators only).")
@click.option("--approve-later", is_flag=True, help="Devices wait for `surefoot device approve`.")
@json_option
@pass_terminal
def create(
    terminal: Terminal,
    uses: int,
    valid: float,
    device: str | None,
    hw: str | None,
    tags: tuple[str, ...],
    attributes: tuple[tuple[str, str], ...],
    replace: bool,
    approve_later: bool,
) -> None:
    """Make a token; it is shown once and stands on stdout.

    \b
    Example:
      surefoot enrol-token create --uses 12 --valid 1h --tag lab --attribute site=hanoi > token
    """
    wish: dict[str, Json] = {
        "max_uses": uses,
        "valid_s": valid,
        "device": device,
        "hw": hw,
        "tags": list(tags),
        "attributes": dict(attributes),
        "replace": replace,
        "auto_approve": not approve_later,
    }
    with terminal.api() as api:
        made = api.post("/enrol-tokens", wish)
    token = wire.from_json(shown.NewToken, made)
    waits = "; each waits for `surefoot device approve`" if approve_later else ""
    terminal.say(
        f"Good for {count(uses, 'device')} until {shown.when(token.expires_at)}{waits}. It is not shown again."
    )
    terminal.data(made, token.token)


@enrol_token.command("list")
@json_option
@pass_terminal
def list_tokens(terminal: Terminal) -> None:
    """List tokens: what they are good for and how often they were used.

    \b
    Example:
      surefoot enrol-token list
    """
    with terminal.api() as api:
        answer = api.get("/enrol-tokens")
    tokens = shown.many(shown.Token, answer)
    rows = [(t.id, f"{t.uses} of {t.max_uses}", shown.when(t.expires_at), shown.when(t.revoked_at)) for t in tokens]
    terminal.data(answer, columns(("ID", "USED", "EXPIRES", "REVOKED"), rows))


@enrol_token.command()
@click.argument("token_id", type=NAME)
@json_option
@pass_terminal
def revoke(terminal: Terminal, token_id: str) -> None:
    """Let nobody enrol with this token any more; devices that did stay.

    \b
    Example:
      surefoot enrol-token revoke 3f9a12bc
    """
    with terminal.api() as api:
        answer = api.delete(path("enrol-tokens", token_id))
    terminal.data(answer, f"Token {token_id} is revoked.")
