"""Webhooks are made with care, and what the feed tells is queued once for each that wants it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlmodel import select

from surefoot_server.audit import service as audit
from surefoot_server.audit.models import AuditEntry
from surefoot_server.events.models import Happening
from surefoot_server.notify import service as module
from surefoot_server.notify.models import Delivery, Form
from surefoot_server.notify.service import KEPT, NotifyService, Order
from surefoot_shared.errors import Conflict, Invalid, NotAllowed, NotFound
from tests.server.notify.receiver import Receiver
from tests.server.rig import NOW, Rig

PUBLIC = "https://93.184.216.34/hook"


def act(rig: Rig, name: str, action: str = "cohort.create", object: str = "") -> None:
    with rig.db.write() as session:
        audit.record(session, "alice", action, object or f"cohort:{name}", {"reason": name}, NOW)


def queued(rig: Rig) -> list[str]:
    with rig.db.read() as session:
        return [
            json.loads(row.body)["detail"]["reason"] for row in session.exec(select(Delivery).order_by(Delivery.id))
        ]


def test_what_happened_before_the_first_webhook_is_not_sent(rig: Rig, service: NotifyService) -> None:
    act(rig, "before")
    service.create(Order("ops", PUBLIC, Form.CLOUDEVENTS, (Happening.FLAG,)), "alice", NOW)
    act(rig, "after", "flag.raise", "device:cam-1")

    service.queue(NOW)

    assert queued(rig) == ["after"]


def test_news_are_queued_once_for_each_webhook_that_wants_them(rig: Rig, service: NotifyService) -> None:
    service.create(Order("flags", PUBLIC, Form.SLACK, (Happening.FLAG,)), "alice", NOW)
    service.create(Order("of-cam-2", PUBLIC, Form.SLACK, device="cam-2"), "alice", NOW)
    act(rig, "one", "flag.raise", "device:cam-1")
    act(rig, "two", "flag.raise", "device:cam-2")
    act(rig, "three", "cohort.create", "cohort:x")

    while service.queue(NOW):
        pass

    assert sorted(queued(rig)) == ["one", "two", "two"]


def test_nothing_is_queued_where_nobody_listens(rig: Rig, service: NotifyService) -> None:
    act(rig, "one")

    assert service.queue(NOW) == 0


def test_a_receiver_that_is_gone_does_not_fill_the_disk(
    rig: Rig, service: NotifyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_MOST", 2)
    monkeypatch.setattr(module, "QUEUED_AT_ONCE", 1)
    service.create(Order("ops", PUBLIC, Form.SLACK, (Happening.FLAG,)), "alice", NOW)
    for name in ("one", "two", "three", "four"):
        act(rig, name, "flag.raise", "device:cam-1")

    for _ in range(10):
        service.queue(NOW)

    assert queued(rig) == ["one", "two"]
    with rig.db.read() as session:
        assert len(session.exec(select(AuditEntry).where(AuditEntry.action == "webhook.overflow")).all()) == 1


@pytest.mark.parametrize("url", ["http://10.0.0.1/x", "http://169.254.169.254/latest/meta-data", "https://[::1]/"])
def test_an_address_inside_is_refused_when_the_webhook_is_made(service: NotifyService, url: str) -> None:
    with pytest.raises(NotAllowed):
        service.create(Order("ops", url, Form.CLOUDEVENTS), "alice", NOW)


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("nobody", Form.MAIL),
        ("mailto:a@b.example,c@d.example", Form.MAIL),
        ("mailto:a@b.example?bcc=x@y.example", Form.MAIL),
        ("mailto:a@b.example\r\nBcc: x@y.example", Form.MAIL),
        ("mailto:a@b.example", Form.SLACK),
        ("gopher://example.com", Form.CLOUDEVENTS),
    ],
)
def test_an_address_that_is_none_is_refused(service: NotifyService, url: str, form: Form) -> None:
    with pytest.raises(Invalid):
        service.create(Order("ops", url, form), "alice", NOW)


def test_a_name_is_taken_once(service: NotifyService) -> None:
    service.create(Order("ops", PUBLIC, Form.SLACK), "alice", NOW)

    with pytest.raises(Conflict):
        service.create(Order("ops", PUBLIC, Form.SLACK), "alice", NOW)


def test_acts_are_audited_without_address_and_secret(rig: Rig, service: NotifyService) -> None:
    row, secret = service.create(Order("ops", PUBLIC + "?key=hush", Form.CLOUDEVENTS), "alice", NOW)
    service.delete("ops", "bob", NOW)

    with rig.db.read() as session:
        acts = session.exec(select(AuditEntry).where(AuditEntry.object == f"webhook:{row.id}")).all()
    assert [(entry.action, entry.actor) for entry in acts] == [("webhook.create", "alice"), ("webhook.delete", "bob")]
    assert not any(word in json.dumps([entry.detail for entry in acts]) for word in ("hush", secret))


def test_a_deleted_webhook_takes_what_waits_with_it(rig: Rig, service: NotifyService) -> None:
    service.create(Order("ops", PUBLIC, Form.SLACK), "alice", NOW)
    service.test("ops", "alice", NOW)

    service.delete("ops", "alice", NOW)

    assert queued(rig) == []
    with pytest.raises(NotFound):
        service.delete("ops", "alice", NOW)


def test_a_delivery_of_another_webhook_is_not_found(service: NotifyService) -> None:
    service.create(Order("a", PUBLIC, Form.SLACK), "alice", NOW)
    service.create(Order("b", PUBLIC, Form.SLACK), "alice", NOW)
    mine = service.test("a", "alice", NOW)

    with pytest.raises(NotFound):
        service.resend("b", mine.id or 0, "alice", NOW)


def test_deliveries_that_ended_are_forgotten_and_waiting_ones_are_not(rig: Rig, service: NotifyService) -> None:
    service.create(Order("ops", PUBLIC, Form.SLACK), "alice", NOW)
    ended, waiting = service.test("ops", "alice", NOW), service.test("ops", "alice", NOW)
    with rig.db.write() as session:
        row = session.get(Delivery, ended.id)
        assert row is not None
        row.state = "delivered"

    service.forget_old(NOW + KEPT + timedelta(seconds=1))

    with rig.db.read() as session:
        assert [row.id for row in session.exec(select(Delivery))] == [waiting.id]


def test_a_receiver_opens_again(service: NotifyService, receiver: Receiver) -> None:
    row, secret = service.create(Order("ops", receiver.url, Form.CLOUDEVENTS), "alice", NOW)

    opened = service.receiver(row)

    assert (opened.url, opened.secret) == (receiver.url, secret)
    assert row.place == receiver.url.partition("/hook")[0]
