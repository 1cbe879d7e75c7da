"""Webhooks and their deliveries: made, listed, deleted, queued from the feed, sent again.

Promises: what the feed tells is queued for each webhook that wants it, once, in the transaction that moves the place in
the feed; a secret is in the answer that makes it and nowhere else; every act is in the audit trail, no address is.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from surefoot_server import db
from surefoot_server.audit import service as audit
from surefoot_server.db import Database
from surefoot_server.events.feed import Feed
from surefoot_server.events.models import FeedEvent, Happening
from surefoot_server.events.streams import document
from surefoot_server.notify import placing, signing
from surefoot_server.notify.addresses import Resolve, reachable, resolve
from surefoot_server.notify.forms import Outside, Receiver
from surefoot_server.notify.models import Delivery, DeliveryState, Form, NotifyPlace, Webhook
from surefoot_server.notify.posting import place_of
from surefoot_server.notify.sealing import Sealing
from surefoot_shared.errors import Conflict, NotFound, Unreachable

KEPT = timedelta(days=14)
"""Deliveries that ended: long enough to look at what went wrong over a holiday."""
QUEUED_AT_ONCE = 500
WAITING_MOST = 10_000
"""For one webhook; what comes on top is left out, and the audit trail says so."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a new webhook shall be."""

    name: str
    url: str
    form: Form
    kinds: Sequence[Happening] = ()
    rollout: str | None = None
    device: str | None = None
    language: str = "en"


class NotifyService:
    """`resolved` is asked when a webhook is made, so that a forbidden address is refused at once and not only later."""

    def __init__(
        self, database: Database, feed: Feed, sealing: Sealing, outside: Outside, resolved: Resolve = resolve
    ) -> None:
        self._db, self._feed, self._sealing, self.outside = database, feed, sealing, outside
        self._resolved = resolved

    def create(self, order: Order, by: str, now: datetime) -> tuple[Webhook, str]:
        """Return the webhook and its signing secret, "" where its form signs nothing."""
        self.check(order)
        with self._db.write() as session:
            return self.add(session, order, by, now)

    def add(self, session: Session, order: Order, by: str, now: datetime) -> tuple[Webhook, str]:
        """The same in the caller's transaction; the address was checked before it, since that asks for its host."""
        if session.exec(select(Webhook).where(Webhook.name == order.name)).first() is not None:
            raise Conflict("conflict", f"There already is a webhook named {order.name!r}.", "Choose another name.")
        self._begin_here(session)
        row = Webhook(
            id=secrets.token_hex(6),
            name=order.name,
            form="",
            place="",
            sealed_url=b"",
            sealed_secret=b"",
            created_at=now,
            created_by=by,
        )
        secret = self._write(row, order)
        session.add(row)
        audit.record(session, by, "webhook.create", f"webhook:{row.id}", told(row), now)
        return row, secret

    def change(self, session: Session, order: Order, by: str, now: datetime) -> str:
        """Make the webhook of this name what is ordered; returns a secret where it begins to sign, "" where not."""
        row = find(session, order.name)
        before = told(row)
        secret = self._write(row, order)
        session.add(row)
        audit.record(session, by, "webhook.change", f"webhook:{row.id}", {"before": before, "after": told(row)}, now)
        return secret

    def _write(self, row: Webhook, order: Order) -> str:
        signed = bool(row.form) and bool(self._sealing.open(row.id, row.sealed_secret))
        secret = "" if signed or order.form is not Form.CLOUDEVENTS else signing.new_secret()
        if secret or order.form is not Form.CLOUDEVENTS:
            row.sealed_secret = self._sealing.seal(row.id, secret)
        row.form, row.place = order.form.value, placing.place(order.form, order.url)
        row.sealed_url = self._sealing.seal(row.id, order.url)
        row.kinds = [kind.value for kind in order.kinds]
        row.rollout_id, row.device_id, row.language = order.rollout, order.device, order.language
        return secret

    def delete(self, key: str, by: str, now: datetime) -> Webhook:
        """Delete it with everything that waits for it."""
        with self._db.write() as session:
            return self.remove(session, key, by, now)

    def remove(self, session: Session, key: str, by: str, now: datetime) -> Webhook:
        """The same in the caller's transaction."""
        row = find(session, key)
        session.connection().execute(sa.delete(Delivery).where(col(Delivery.webhook_id) == row.id))
        session.delete(row)
        audit.record(session, by, "webhook.delete", f"webhook:{row.id}", {"name": row.name}, now)
        return row

    def test(self, key: str, by: str, now: datetime) -> Delivery:
        """Queue a message that says it is a test."""
        with self._db.write() as session:
            row = find(session, key)
            detail = {"action": "webhook.test", "reason": f"A test of the webhook {row.name}."}
            told = FeedEvent(
                id=0, at=now, kind=Happening.AUDIT.value, subject=f"webhook:{row.id}", actor=by, detail=detail
            )
            made = Delivery(**_delivery(row, told, now))
            session.add(made)
            session.flush()
            return made

    def resend(self, key: str, delivery_id: int, by: str, now: datetime) -> Delivery:
        """Let a delivery be tried anew from now, whatever became of it; it keeps its message id."""
        with self._db.write() as session:
            row = find(session, key)
            made = session.get(Delivery, delivery_id)
            if made is None or made.webhook_id != row.id:
                raise NotFound("not_found", f"Webhook {row.name} has no delivery {delivery_id}.")
            made.state, made.next_at, made.tries = DeliveryState.WAITING.value, now, 0
            session.add(made)
            audit.record(session, by, "webhook.resend", f"webhook:{row.id}", {"delivery": delivery_id}, now)
            return made

    def queue(self, now: datetime) -> int:
        """Take what is new in the feed, and queue it for whoever wants it; returns how many deliveries were made."""
        with self._db.read() as session:
            here = session.get(NotifyPlace, 1)
        if here is None:
            return 0
        fresh = self._feed.after(here.event_id, limit=QUEUED_AT_ONCE)
        if not fresh:
            return 0
        with self._db.write() as session:
            claimed = sa.update(NotifyPlace).where(col(NotifyPlace.event_id) == here.event_id)
            if session.connection().execute(claimed.values(event_id=fresh[-1].id)).rowcount != 1:
                return 0  # another server was faster
            hooks = [hook for hook in session.exec(select(Webhook)) if self._has_room(session, hook, now)]
            rows = [_delivery(hook, row, now) for row in fresh for hook in hooks if wants(hook, row)]
            if rows:
                session.connection().execute(db.table_of(Delivery).insert(), rows)
        return len(rows)

    def forget_old(self, now: datetime) -> None:
        ended = col(Delivery.state) != DeliveryState.WAITING.value
        with self._db.write() as session:
            session.connection().execute(sa.delete(Delivery).where(ended, col(Delivery.created_at) < now - KEPT))

    def _has_room(self, session: Session, hook: Webhook, now: datetime) -> bool:
        """Whether so little waits for a receiver that more may: one that is gone for good must not fill the disk."""
        waiting = sa.select(sa.func.count()).where(
            col(Delivery.webhook_id) == hook.id, col(Delivery.state) == DeliveryState.WAITING.value
        )
        if session.connection().execute(waiting).scalar_one() < WAITING_MOST:
            return True
        detail = {"name": hook.name, "waiting": WAITING_MOST}
        audit.record_seldom(session, "server", "webhook.overflow", f"webhook:{hook.id}", detail, now)
        return False

    def receiver(self, row: Webhook) -> Receiver:
        url, secret = self._sealing.open(row.id, row.sealed_url), self._sealing.open(row.id, row.sealed_secret)
        return Receiver(Form(row.form), url, secret, row.language)

    def _begin_here(self, session: Session) -> None:
        """The first webhook hears of what happens from now on; nobody listened before."""
        if session.exec(select(Webhook.id).limit(1)).first() is None:
            place = session.get(NotifyPlace, 1) or NotifyPlace()
            place.event_id = self._feed.bounds()[1]
            session.add(place)

    def check(self, order: Order) -> None:
        """Refuse an address that could never be used, or must not be; asks for its host."""
        placing.place(order.form, order.url)
        if order.form in (Form.CLOUDEVENTS, Form.SLACK):
            place = place_of(order.url)
            with contextlib.suppress(Unreachable):  # it may come up later; each try asks anew
                reachable(place.host, place.port, self.outside.allowed, self._resolved)


def told(row: Webhook) -> Mapping[str, Any]:
    """What the audit trail says of it: no address, no secret."""
    return {"name": row.name, "form": row.form, "place": row.place, "kinds": list(row.kinds)}


def find(session: Session, key: str) -> Webhook:
    """By its id or its name; raises NotFound."""
    found = session.get(Webhook, key) or session.exec(select(Webhook).where(Webhook.name == key)).first()
    if found is None:
        raise NotFound("not_found", f"There is no webhook {key!r}.", "`surefoot webhook list` shows all.")
    return found


def webhooks(session: Session) -> list[Webhook]:
    return list(session.exec(select(Webhook).order_by(Webhook.name)))


def deliveries(session: Session, webhook_id: str, limit: int, before: int | None = None) -> list[Delivery]:
    """The newest first."""
    query = select(Delivery).where(Delivery.webhook_id == webhook_id)
    if before is not None:
        query = query.where(col(Delivery.id) < before)
    return list(session.exec(query.order_by(col(Delivery.id).desc()).limit(limit)))


def wants(hook: Webhook, row: FeedEvent) -> bool:
    wanted: Collection[str] = hook.kinds
    return (
        (not wanted or row.kind in wanted)
        and hook.rollout_id in (None, row.rollout_id)
        and hook.device_id in (None, row.device_id)
    )


def _delivery(hook: Webhook, row: FeedEvent, now: datetime) -> Mapping[str, Any]:
    return {
        "webhook_id": hook.id,
        "message_id": f"msg_{secrets.token_hex(12)}",
        "event_id": row.id or 0,
        "body": json.dumps(document(row)),
        "state": DeliveryState.WAITING.value,
        "tries": 0,
        "next_at": now,
        "error": "",
        "created_at": now,
    }
