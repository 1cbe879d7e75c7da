"""`surefoot factory-ca`: manufacturers whose certificates let devices in."""

from __future__ import annotations

from pathlib import Path

import click

from surefoot_server.cli import shown
from surefoot_server.cli.params import PAIR
from surefoot_server.cli.terminal import Terminal, Verbs, columns, json_option, pass_terminal
from surefoot_shared import wire
from surefoot_shared.errors import Invalid
from surefoot_shared.wire import Json


@click.group(cls=Verbs)
def factory_ca() -> None:
    """Let devices in by the certificate that their factory gave them.

    \b
    Example:
      surefoot factory-ca add acme-root.pem --name Acme
    """


@factory_ca.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", required=True, help="What you call the manufacturer.")
@click.option("--auto-approve", is_flag=True, help="Its devices need no approval.")
@click.option("--hw", help="Only this hardware.")
@click.option("--tag", "tags", multiple=True, help="Tag that its devices get; may be repeated.")
@click.option("--attribute", "attributes", type=PAIR, multiple=True, help="NAME=VALUE for them; may be repeated.")
@json_option
@pass_terminal
def add(
    terminal: Terminal,
    file: Path,
    name: str,
    auto_approve: bool,
    hw: str | None,
    tags: tuple[str, ...],
    attributes: tuple[tuple[str, str], ...],
) -> None:
    """Register a manufacturer's authority; a device enrols under the name in its own certificate.

    \b
    Example:
      surefoot factory-ca add acme-root.pem --name Acme --hw rpi5 --auto-approve
    """
    try:
        certificate = file.read_text()
    except UnicodeDecodeError as error:
        raise Invalid("malformed", f"{file} is not a certificate in PEM.") from error
    wish: dict[str, Json] = {
        "name": name,
        "certificate": certificate,
        "auto_approve": auto_approve,
        "hw": hw,
        "tags": list(tags),
        "attributes": dict(attributes),
    }
    with terminal.api() as api:
        answer = api.post("/factory-cas", wish)
    terminal.data(answer, wire.from_json(shown.FactoryCa, answer).id)


@factory_ca.command("list")
@json_option
@pass_terminal
def list_authorities(terminal: Terminal) -> None:
    """List the authorities that count.

    \b
    Example:
      surefoot factory-ca list
    """
    with terminal.api() as api:
        answer = api.get("/factory-cas")
    found = shown.many(shown.FactoryCa, answer)
    rows = [(ca.id, ca.name, "by itself" if ca.auto_approve else "after approval", ca.hw or "any") for ca in found]
    terminal.data(answer, columns(("ID", "NAME", "ENROLS", "HARDWARE"), rows))


@factory_ca.command()
@click.argument("ca_id", metavar="ID")
@json_option
@pass_terminal
def remove(terminal: Terminal, ca_id: str) -> None:
    """Let nobody else enrol by this authority; devices that did stay.

    \b
    Example:
      surefoot factory-ca remove 3f9a12bc00112233
    """
    with terminal.api() as api:
        answer = api.delete(f"/factory-cas/{ca_id}")
    terminal.data(answer, f"Authority {ca_id} counts no more.")
