"""`surefoot device …` about who may be a device: pending, refuse, preauthorise, replace, revoke."""

from __future__ import annotations

from dataclasses import dataclass

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import DURATION, PAIR
from surefoot_server.cli.terminal import Terminal, columns, json_option, pass_terminal
from surefoot_shared import wire
from surefoot_shared.wire import Json


@dataclass(frozen=True)
class KnownKey:
    device: str
    key_sha256: str
    hw: str | None
    created_by: str
    used_at: str | None


@click.command()
@json_option
@pass_terminal
def pending(terminal: Terminal) -> None:
    """List nodes that wait for approval, each with the sha256 of its key.

    \b
    Example:
      surefoot device pending
    """
    with terminal.api() as api:
        answer = api.get("/enrolments", state="pending")
    rows = [(e.device, e.hw, e.way, shown.when(e.requested_at), e.fingerprint) for e in _many(answer)]
    terminal.data(answer, columns(("DEVICE", "HARDWARE", "WAY", "ASKED", "KEY SHA256"), rows))


@click.command()
@click.argument("device_id", metavar="DEVICE")
@json_option
@pass_terminal
def refuse(terminal: Terminal, device_id: str) -> None:
    """Turn away a node that waits for approval.

    \b
    Example:
      surefoot device refuse cam-18
    """
    with terminal.api() as api:
        answer = api.post(f"/enrolments/{device_id}/refuse")
    terminal.data(answer, f"{device_id} was refused.")


@click.command()
@click.argument("device_id", metavar="DEVICE")
@click.option("--key-sha256", required=True, help="What `surefoot-agent key` prints on the node.")
@click.option("--hw", help="Only on this hardware.")
@click.option("--tag", "tags", multiple=True, help="Tag that the device gets; may be repeated.")
@click.option("--attribute", "attributes", type=PAIR, multiple=True, help="NAME=VALUE for the device; may be repeated.")
@json_option
@pass_terminal
def preauthorise(
    terminal: Terminal,
    device_id: str,
    key_sha256: str,
    hw: str | None,
    tags: tuple[str, ...],
    attributes: tuple[tuple[str, str], ...],
) -> None:
    """Let exactly this key become this device, without token or approval.

    \b
    Example:
      surefoot device preauthorise cam-18 --key-sha256 3f9a…
    """
    wish: dict[str, Json] = {
        "device": device_id,
        "key_sha256": key_sha256.lower(),
        "hw": hw,
        "tags": list(tags),
        "attributes": dict(attributes),
    }
    with terminal.api() as api:
        answer = api.post("/preauthorised", wish)
    terminal.data(answer, f"{device_id} may enrol with that key.")


@click.command()
@json_option
@pass_terminal
def preauthorised(terminal: Terminal) -> None:
    """List keys that may become a device, and which of them did.

    \b
    Example:
      surefoot device preauthorised
    """
    with terminal.api() as api:
        answer = api.get("/preauthorised")
    rows = [
        (k.device, k.hw or "any", k.key_sha256, k.created_by, shown.when(k.used_at) if k.used_at else "not yet")
        for k in shown.many(KnownKey, answer)
    ]
    terminal.data(answer, columns(("DEVICE", "HARDWARE", "KEY SHA256", "BY", "USED"), rows))


@click.command()
@click.argument("device_id", metavar="DEVICE")
@click.option("--valid", type=DURATION, default="24h", show_default=True, help="For how long the token serves.")
@json_option
@pass_terminal
def replace(terminal: Terminal, device_id: str, valid: float) -> None:
    """Make a token with which new hardware takes a device's place, once; its old key is refused from then on.

    \b
    Example:
      surefoot device replace cam-18 > token
    """
    wish: dict[str, Json] = {"device": device_id, "replace": True, "valid_s": valid, "auto_approve": True}
    with terminal.api() as api:
        api.get(f"/devices/{device_id}")  # a typing mistake must not make a token for a device that never was
        made = api.post("/enrol-tokens", wish)
    token = wire.from_json(shown.NewToken, made)
    terminal.say(f"Good for {device_id} once, until {shown.when(token.expires_at)}. It is not shown again.")
    terminal.data(made, token.token)


@click.command()
@click.argument("device_id", metavar="DEVICE")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_terminal
def revoke(terminal: Terminal, device_id: str, yes: bool) -> None:
    """Shut a device out at once: broker, HTTPS and its certificate. Only `replace` lets it come back.

    \b
    Example:
      surefoot device revoke cam-18
    """
    terminal.confirm(f"Shut {device_id} out?", yes)
    with terminal.api() as api:
        answer = api.post(f"/devices/{device_id}/revoke")
    terminal.data(answer, f"{device_id} is revoked.")


def _many(answer: Json) -> list[shown.Enrolment]:
    return shown.many(shown.Enrolment, answer)
