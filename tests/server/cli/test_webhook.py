"""`surefoot webhook`: made, seen, tested and deleted from the command line, with a real receiver."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from surefoot_server.cli import webhook as module
from surefoot_server.events.models import Happening
from surefoot_server.notify.models import Form
from surefoot_server.notify.sending import Sender
from tests.server.cli.conftest import Operator
from tests.server.notify.receiver import LOOPBACK, Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def sender(surefoot: Operator) -> Iterator[Sender]:
    """A sender that may reach the loopback."""
    notify = surefoot.rig.state.notify
    notify.outside = type(notify.outside)(notify.outside.source, LOOPBACK, notify.outside.mail)
    made = Sender(surefoot.rig.db, notify)
    made.start()
    yield made
    made.stop()


def test_a_webhook_is_made_listed_shown_and_deleted(surefoot: Operator) -> None:
    made = surefoot(
        "webhook", "create", "ops", "https://93.184.216.34/x?key=hush", "--kind", "flag", "--device", "cam-1"
    )

    assert (made.code, made.out.startswith("whsec_")) == (0, True)
    assert "not shown again" in made.err
    assert surefoot("webhook", "list").out.splitlines()[1].split()[1:4] == [
        "ops",
        "cloudevents",
        "https://93.184.216.34:443",
    ]
    assert "flag, about device cam-1" in surefoot("webhook", "show", "ops").out
    assert "is deleted" in surefoot("webhook", "delete", "ops").out
    assert surefoot("webhook", "show", "ops").code == 3


def test_a_mailbox_needs_no_form(surefoot: Operator) -> None:
    said = surefoot("webhook", "create", "oncall", "mailto:oncall@example.com", "--language", "vi")

    assert said.out == "Webhook oncall sends to oncall@example.com.\n"


def test_a_test_is_waited_for_and_exits_with_its_answer(surefoot: Operator, sender: Sender, receiver: Receiver) -> None:
    receiver.statuses = [200, 500]
    surefoot("webhook", "create", "ops", receiver.url, "--kind", "flag")
    surefoot.rig.state.streams.feed.on_news(sender.wake)

    good, bad = surefoot("webhook", "test", "ops"), surefoot("webhook", "test", "ops")

    assert (good.code, good.out) == (0, "Delivered: the receiver answered with 200.\n")
    assert (bad.code, bad.out) == (1, "The receiver answered 500.\n")
    log = surefoot("webhook", "deliveries", "ops").out.splitlines()
    assert [line.split()[5] for line in log[1:]] == ["waiting", "delivered"]
    assert "tried again" in surefoot("webhook", "resend", "ops", log[1].split()[0]).out


def test_a_test_that_nobody_sends_exits_with_7(surefoot: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TEST_S", 0.0)
    surefoot("webhook", "create", "ops", "https://93.184.216.34/x")

    assert surefoot("webhook", "test", "ops").code == 7


def test_an_address_inside_exits_with_4(surefoot: Operator) -> None:
    said = surefoot("webhook", "create", "ops", "http://127.0.0.1/x")

    assert said.code == 4
    assert "no public address" in said.err


def test_the_command_line_knows_every_kind_and_form() -> None:
    assert tuple(kind.value for kind in Happening) == module.KINDS
    assert tuple(form.value for form in Form) == module.FORMS
