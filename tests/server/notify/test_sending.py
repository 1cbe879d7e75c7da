"""What was queued arrives, at least once, whatever a receiver or the server does meanwhile."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from datetime import timedelta

import pytest
from sqlmodel import select

from surefoot_server.audit import service as audit
from surefoot_server.audit.models import AuditEntry
from surefoot_server.events.models import Happening
from surefoot_server.notify.backoff import WAITS_S
from surefoot_server.notify.models import Delivery, Form
from surefoot_server.notify.sending import Sender
from surefoot_server.notify.service import NotifyService, Order
from tests.server.notify.conftest import OUTSIDE, Clock
from tests.server.notify.receiver import Receiver, receiving
from tests.server.rig import NOW, Rig

WAIT_S = 10


def make(service: NotifyService, url: str, name: str = "ops", form: Form = Form.CLOUDEVENTS) -> str:
    return service.create(Order(name, url, form, (Happening.FLAG,)), "alice", NOW)[1]


def flag(rig: Rig, reason: str = "dark") -> None:
    with rig.db.write() as session:
        audit.record(session, "bob", "flag.raise", "device:cam-1", {"reason": reason}, NOW)


def work(sender: Sender) -> None:
    for thread in sender.look():
        thread.join(WAIT_S)


def rows(rig: Rig) -> list[Delivery]:
    with rig.db.read() as session:
        return list(session.exec(select(Delivery).order_by(Delivery.id)))


def test_news_arrive_signed_as_a_cloudevent(
    rig: Rig, service: NotifyService, sender: Sender, receiver: Receiver
) -> None:
    secret = make(service, receiver.url)
    flag(rig)

    work(sender)

    (body,), (headers,) = receiver.bodies, receiver.headers
    told = json.loads(body)
    assert (told["type"], told["data"]["detail"]["reason"]) == ("surefoot.flag.v1", "dark")
    assert headers["content-type"] == "application/cloudevents+json"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{right}"
    assert told["id"] == headers["webhook-id"]
    assert [(row.state, row.tries, row.status) for row in rows(rig)] == [("delivered", 1, 204)]


def test_what_fails_comes_again_later_with_the_same_id(
    rig: Rig, service: NotifyService, sender: Sender, receiver: Receiver, clock: Clock
) -> None:
    receiver.statuses = [500, 302]
    make(service, receiver.url)
    flag(rig)

    work(sender)
    work(sender)
    first = rows(rig)[0]
    assert (first.state, first.tries, first.status, len(receiver.bodies)) == ("waiting", 1, 500, 1)
    clock.now += timedelta(seconds=WAITS_S[0] * 1.3)
    work(sender)
    assert (rows(rig)[0].tries, rows(rig)[0].status) == (2, 302)
    clock.now += timedelta(seconds=WAITS_S[1] * 1.3)
    work(sender)

    assert (rows(rig)[0].state, rows(rig)[0].error) == ("delivered", "")
    assert len({headers["webhook-id"] for headers in receiver.headers}) == 1
    assert len({headers["webhook-timestamp"] for headers in receiver.headers}) == 3


def test_after_the_last_try_it_is_noted_as_failed_and_may_be_sent_again(
    rig: Rig, service: NotifyService, sender: Sender, receiver: Receiver, clock: Clock
) -> None:
    receiver.statuses = [503] * (len(WAITS_S) + 1)
    make(service, receiver.url)
    flag(rig)
    for _ in range(len(WAITS_S) + 1):
        work(sender)
        clock.now += timedelta(hours=13)

    (failed,) = rows(rig)
    assert (failed.state, failed.next_at, failed.tries) == ("failed", None, len(WAITS_S) + 1)
    with rig.db.read() as session:
        assert session.exec(select(AuditEntry).where(AuditEntry.action == "webhook.failed")).one()

    service.resend("ops", failed.id or 0, "alice", clock.now)
    work(sender)
    assert rows(rig)[0].state == "delivered"
    assert receiver.headers[-1]["webhook-id"] == failed.message_id


def test_a_receiver_that_is_gone_for_good_is_not_asked_again(
    rig: Rig, service: NotifyService, sender: Sender, receiver: Receiver
) -> None:
    receiver.statuses = [410]
    make(service, receiver.url)
    flag(rig)

    work(sender)

    assert rows(rig)[0].state == "failed"


def test_after_a_failure_the_rest_waits_in_its_order(
    rig: Rig, service: NotifyService, sender: Sender, receiver: Receiver, clock: Clock
) -> None:
    receiver.statuses = [500]
    make(service, receiver.url)
    for reason in ("one", "two"):
        flag(rig, reason)

    work(sender)
    assert len(receiver.bodies) == 1
    clock.now += timedelta(seconds=10)
    work(sender)

    reasons = [json.loads(body)["data"]["detail"]["reason"] for body in receiver.bodies]
    assert sorted(reasons[1:]) == ["one", "two"]


def test_a_receiver_without_an_answer_delays_itself_alone(
    rig: Rig, service: NotifyService, sender: Sender, receiver: Receiver
) -> None:
    hold = threading.Event()
    with receiving() as slow:
        make(service, slow.url, "a-slow")
        make(service, receiver.url, "b-quick")
        flag(rig)
        real = service.receiver

        def held(row: object) -> object:
            if getattr(row, "name", "") == "a-slow":
                hold.wait(WAIT_S)
            return real(row)  # type: ignore[arg-type]

        service.receiver = held  # type: ignore[method-assign, assignment]
        threads = sender.look()
        quick = [thread for thread in threads if (thread.join(0.5), not thread.is_alive())[1]]
        flag(rig, "again")
        for thread in sender.look():
            thread.join(WAIT_S)
        assert (len(quick), len(receiver.bodies), len(slow.bodies)) == (1, 2, 0)
        hold.set()
        for thread in threads:
            thread.join(WAIT_S)

        assert len(slow.bodies) == 1


def test_an_address_that_has_moved_inside_is_not_reached_and_not_tried_again(
    rig: Rig, service: NotifyService, sender: Sender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(service, receiver.url)
    flag(rig)
    monkeypatch.setattr(service, "outside", type(OUTSIDE)(OUTSIDE.source, (), OUTSIDE.mail))

    work(sender)

    assert receiver.bodies == []
    assert (rows(rig)[0].state, "no public address" in rows(rig)[0].error) == ("failed", True)


def test_a_running_sender_delivers_by_itself_and_stops(
    rig: Rig, service: NotifyService, sender: Sender, receiver: Receiver
) -> None:
    make(service, receiver.url)
    rig.state.streams.feed.on_news(sender.wake)
    sender.start()
    arrived = threading.Event()
    receiver.statuses = []
    rig.state.streams.feed.on_news(lambda: arrived.set() if rows(rig) and rows(rig)[0].tries else None)

    flag(rig)
    for _ in range(200):
        if receiver.bodies:
            break
        arrived.wait(0.05)
    sender.stop()

    assert len(receiver.bodies) == 1


def test_a_server_that_does_not_lead_sends_nothing(rig: Rig, service: NotifyService, receiver: Receiver) -> None:
    looked = threading.Event()

    def leads() -> bool:
        looked.set()
        return False

    idle = Sender(rig.db, service, leads)
    make(service, receiver.url)
    flag(rig)
    idle.start()
    assert looked.wait(WAIT_S)
    idle.stop()

    assert (receiver.bodies, rows(rig)) == ([], [])
