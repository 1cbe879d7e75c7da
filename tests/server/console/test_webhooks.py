"""Webhooks as settings show them: the try that came last counts, and nothing secret is read."""

from __future__ import annotations

from datetime import timedelta

import pytest

from surefoot_server.console import webhooks
from surefoot_server.console.webhooks import Line
from surefoot_server.notify.models import Delivery, Form
from surefoot_server.notify.service import Order
from tests.server.rig import NOW, Rig

ORDER = Order("oncall", "mailto:oncall@example.com", Form.MAIL)


def delivery(rig: Rig, webhook: str, state: str, minutes: int | None, **more: object) -> None:
    at = None if minutes is None else NOW + timedelta(minutes=minutes)
    fields: dict[str, object] = {"message_id": "m", "event_id": 0, "body": "{}", "created_at": NOW}
    with rig.db.write() as session:
        session.add(Delivery(webhook_id=webhook, state=state, tried_at=at, **{**fields, **more}))


def read(rig: Rig) -> list[Line]:
    with rig.db.read() as session:
        return webhooks.read(session)


def test_a_webhook_that_was_never_used_is_idle(rig: Rig) -> None:
    rig.state.notify.create(ORDER, "anna", NOW)

    (line,) = read(rig)

    assert (line.webhook.name, line.word, line.failing, line.at) == ("oncall", "idle", False, None)


@pytest.mark.parametrize(("last", "word"), [("delivered", "delivered"), ("failed", "failed"), ("waiting", "failed")])
def test_the_newest_try_says_whether_it_fails(rig: Rig, last: str, word: str) -> None:
    row, _ = rig.state.notify.create(ORDER, "anna", NOW)
    delivery(rig, row.id, last, 5, error="refused", status=500)
    delivery(rig, row.id, "failed" if last == "delivered" else "delivered", 3)
    delivery(rig, row.id, "waiting", None)

    (line,) = read(rig)

    assert (line.word, line.at) == (word, NOW + timedelta(minutes=5))
    assert line.waiting == (2 if last == "waiting" else 1)


def test_each_webhook_has_its_own(rig: Rig) -> None:
    one, _ = rig.state.notify.create(ORDER, "anna", NOW)
    rig.state.notify.create(Order("chat", "mailto:chat@example.com", Form.MAIL), "anna", NOW)
    delivery(rig, one.id, "failed", 1)
    delivery(rig, one.id, "failed", 2)

    assert [(line.webhook.name, line.word, line.failed) for line in read(rig)] == [
        ("chat", "idle", 0),
        ("oncall", "failed", 2),
    ]
