"""Each form says the same in the words of its receiver."""

from __future__ import annotations

import json
from typing import Any

import pytest

from surefoot_server.config import Settings
from surefoot_server.notify import forms
from surefoot_server.notify.forms import Outside, Receiver, deliver, outside_of
from surefoot_server.notify.models import Form
from surefoot_shared.errors import ConfigError, Unreachable
from tests.server.notify.conftest import OUTSIDE
from tests.server.notify.receiver import LOOPBACK
from tests.server.notify.receiver import Receiver as Listening
from tests.server.rig import NOW

ENTRY: dict[str, Any] = {
    "id": 7,
    "at": "2026-03-01T12:00:00+00:00",
    "kind": "rollout",
    "subject": "rollout:r1",
    "actor": "engine",
    "detail": {"state": "halted", "reason": "<!channel> 3 & more"},
}


def test_a_chat_gets_a_text_in_which_nothing_commands(receiver: Listening) -> None:
    assert deliver(Receiver(Form.SLACK, receiver.url, "", "en"), ENTRY, "m", NOW, OUTSIDE) == 204

    assert json.loads(receiver.bodies[0]) == {
        "text": "Rollout r1 is halted\nWhy: &lt;!channel&gt; 3 &amp; more\nBy: engine\nAt: 2026-03-01 12:00:00 UTC"
    }
    assert receiver.headers[0]["content-type"] == "application/json"


def test_texts_are_in_the_receivers_language(receiver: Listening) -> None:
    deliver(Receiver(Form.SLACK, receiver.url, "", "vi"), ENTRY, "m", NOW, OUTSIDE)

    assert "Lý do:" in json.loads(receiver.bodies[0])["text"]


def test_what_apprise_knows_is_reached_through_it(receiver: Listening) -> None:
    place = receiver.url.removeprefix("http://").partition("?")[0]
    deliver(Receiver(Form.APPRISE, f"json://{place}", "", "en"), ENTRY, "m", NOW, OUTSIDE)

    told = json.loads(receiver.bodies[0])
    assert (told["title"], "By: engine" in told["message"]) == ("Rollout r1 is halted", True)


def test_what_apprise_cannot_deliver_is_tried_again(receiver: Listening) -> None:
    receiver.statuses = [500]
    place = receiver.url.removeprefix("http://").partition("?")[0]

    with pytest.raises(Unreachable):
        deliver(Receiver(Form.APPRISE, f"json://{place}", "", "en"), ENTRY, "m", NOW, OUTSIDE)
    with pytest.raises(ConfigError, match="does not know"):
        deliver(Receiver(Form.APPRISE, "nothing", "", "en"), ENTRY, "m", NOW, OUTSIDE)


def test_a_mail_needs_a_mail_server() -> None:
    with pytest.raises(ConfigError, match="no mail server"):
        deliver(Receiver(Form.MAIL, "mailto:a@b.example", "", "en"), ENTRY, "m", NOW, OUTSIDE)


def test_the_settings_say_what_the_world_outside_is() -> None:
    made = outside_of(Settings(webhook_allow="127.0.0.0/8", console_url="https://ota.example.com", mail_from="a@b.c"))

    assert made == Outside("https://ota.example.com", LOOPBACK, made.mail)
    assert made.mail.sender == "a@b.c"
    assert outside_of(Settings()).source == "http://127.0.0.1:8080"


def test_whether_apprise_is_there_is_asked_at_the_time() -> None:
    assert forms.has_apprise()
