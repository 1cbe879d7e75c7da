"""`surefoot webhook`: tell other systems and people what happens, and see what became of each message."""

from __future__ import annotations

import time
from dataclasses import dataclass

import click

from surefoot_server.cli import shown
from surefoot_server.cli.client import Api
from surefoot_server.cli.params import NAME, Text, Whole, path
from surefoot_server.cli.terminal import Terminal, Verbs, columns, json_option, pass_terminal
from surefoot_shared import wire
from surefoot_shared.wire import Json

KINDS = ("rollout", "phase", "verdict", "decision", "outcome", "flag", "alarm", "drill", "audit")
FORMS = ("cloudevents", "slack", "mail", "apprise")
TEST_S, LOOK_S = 15.0, 0.3
"""A receiver has ten seconds to answer."""
FAILED, TIMED_OUT = 1, 7


@dataclass(frozen=True)
class Webhook:
    id: str
    name: str
    form: str
    place: str
    kinds: tuple[str, ...]
    rollout: str | None
    device: str | None
    language: str


@dataclass(frozen=True)
class NewWebhook:
    name: str
    place: str
    secret: str


@dataclass(frozen=True)
class Delivery:
    id: int
    message_id: str
    event: int
    state: str
    tries: int
    status: int | None
    error: str
    created_at: str
    next_at: str | None


@click.group(cls=Verbs)
def webhook() -> None:
    """Tell other systems and people what happens.

    \b
    Example:
      surefoot webhook create ops https://ops.example.com/surefoot --kind rollout --kind alarm
    """


@webhook.command()
@click.argument("name", type=NAME)
@click.argument("url", type=Text(2000))
@click.option("--form", type=click.Choice(FORMS), help="What is sent; mail for mailto:, else cloudevents.")
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Only these kinds; may be repeated.")
@click.option("--rollout", type=Text(16), help="Only about this rollout.")
@click.option("--device", type=Text(64), help="Only about this device.")
@click.option("--language", type=click.Choice(["en", "vi"]), default="en", show_default=True, help="Of texts.")
@json_option
@pass_terminal
def create(
    terminal: Terminal,
    name: str,
    url: str,
    form: str | None,
    kinds: tuple[str, ...],
    rollout: str | None,
    device: str | None,
    language: str,
) -> None:
    """Send what happens to URL: https://… or mailto:somebody@example.com.

    The secret that signatures are checked with (Standard Webhooks) is shown this once.

    \b
    Example:
      surefoot webhook create oncall mailto:oncall@example.com --kind alarm --language vi
      surefoot webhook create chat https://hooks.slack.com/services/T/B/X --form slack --kind rollout
    """
    body: dict[str, Json] = {
        "name": name,
        "url": url,
        "form": form or ("mail" if url.startswith("mailto:") else "cloudevents"),
        "kinds": list(kinds),
        "rollout": rollout,
        "device": device,
        "language": language,
    }
    with terminal.api() as api:
        answer = api.post("/webhooks", body)
    made = wire.from_json(NewWebhook, answer)
    terminal.data(answer, made.secret or f"Webhook {made.name} sends to {made.place}.")
    if made.secret:
        terminal.say(f"Webhook {made.name} sends to {made.place}. Above is its secret; it is not shown again.")


@webhook.command("list")
@json_option
@pass_terminal
def list_webhooks(terminal: Terminal) -> None:
    """List webhooks with what each wants to hear.

    \b
    Example:
      surefoot webhook list
    """
    with terminal.api() as api:
        answer = api.get("/webhooks")
    rows = [(w.id, w.name, w.form, w.place, _wants(w)) for w in shown.many(Webhook, answer)]
    terminal.data(answer, columns(("WEBHOOK", "NAME", "FORM", "TO", "WANTS"), rows))


@webhook.command()
@click.argument("name", type=NAME)
@json_option
@pass_terminal
def show(terminal: Terminal, name: str) -> None:
    """Show one webhook, by its name or id.

    \b
    Example:
      surefoot webhook show ops
    """
    with terminal.api() as api:
        answer = api.get(path("webhooks", name))
    found = wire.from_json(Webhook, answer)
    text = f"{found.name} ({found.id}) sends {found.form} to {found.place}, texts in {found.language}: {_wants(found)}."
    terminal.data(answer, text)


@webhook.command()
@click.argument("name", type=NAME)
@json_option
@pass_terminal
def delete(terminal: Terminal, name: str) -> None:
    """Delete a webhook with everything that waits for it.

    \b
    Example:
      surefoot webhook delete ops
    """
    with terminal.api() as api:
        answer = api.delete(path("webhooks", name))
    terminal.data(answer, f"Webhook {wire.from_json(Webhook, answer).name} is deleted.")


@webhook.command()
@click.argument("name", type=NAME)
@click.option("--limit", type=Whole(1, 1000), default=20, show_default=True, help="How many, the newest first.")
@json_option
@pass_terminal
def deliveries(terminal: Terminal, name: str, limit: int) -> None:
    """List what was sent and what waits, the newest first.

    \b
    Example:
      surefoot webhook deliveries ops
    """
    with terminal.api() as api:
        answer = api.get(path("webhooks", name, "deliveries"), limit=limit)
    rows = [
        (d.id, shown.when(d.created_at), d.event or "test", d.state, d.tries, d.status or "", shown.plain(d.error))
        for d in shown.many(Delivery, answer)
    ]
    terminal.data(answer, columns(("DELIVERY", "AT", "EVENT", "STATE", "TRIES", "STATUS", "ERROR"), rows))


@webhook.command()
@click.argument("name", type=NAME)
@click.argument("delivery", type=Whole(1, 999_999_999))
@json_option
@pass_terminal
def resend(terminal: Terminal, name: str, delivery: int) -> None:
    """Try a delivery anew; the receiver sees the same message id.

    \b
    Example:
      surefoot webhook resend ops 17
    """
    with terminal.api() as api:
        answer = api.post(path("webhooks", name, "deliveries", str(delivery), "resend"))
    terminal.data(answer, f"Delivery {delivery} is tried again.")


@webhook.command()
@click.argument("name", type=NAME)
@json_option
@pass_terminal
def test(terminal: Terminal, name: str) -> int:
    """Send a message that says it is a test, and wait for what comes of it.

    \b
    Example:
      surefoot webhook test ops
    """
    with terminal.api() as api:
        answer = api.post(path("webhooks", name, "test"))
        answer = _ended(api, name, wire.from_json(Delivery, answer).id)
    found = wire.from_json(Delivery, answer)
    if found.tries == 0:
        terminal.data(answer, f"The test waits still; `surefoot webhook deliveries {name}` shows it.")
        return TIMED_OUT
    said = f" with {found.status}" if found.status else ""
    terminal.data(answer, shown.plain(found.error) if found.error else f"Delivered: the receiver answered{said}.")
    return FAILED if found.error else 0


def _ended(api: Api, name: str, delivery: int) -> Json:
    """The delivery once it was tried, or as it is after TEST_S."""
    until = time.monotonic() + TEST_S
    while True:
        answer = api.get(path("webhooks", name, "deliveries", str(delivery)))
        if wire.from_json(Delivery, answer).tries or time.monotonic() > until:
            return answer
        time.sleep(LOOK_S)


def _wants(found: Webhook) -> str:
    parts = [*found.kinds] or ["everything"]
    parts += [f"about rollout {found.rollout}"] if found.rollout else []
    return ", ".join([*parts, *([f"about device {found.device}"] if found.device else [])])
