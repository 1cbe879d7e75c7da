"""The sender: takes deliveries that are due, tries each, and writes down what came of it.

Promises: the queue is the database, so what was queued is tried after a restart too; at least once, at most WORKERS at
a time and one at a time for each receiver, so a slow receiver delays itself alone; what fails is tried again by
`backoff` and at last noted as failed, in the audit trail as well. Runs on the server that leads.
"""

from __future__ import annotations

import json
import logging
import random
import threading
from collections.abc import Callable
from datetime import datetime

from sqlmodel import col, select

from surefoot_server import db
from surefoot_server.audit import service as audit
from surefoot_server.db import Database
from surefoot_server.notify import forms
from surefoot_server.notify.backoff import next_at
from surefoot_server.notify.models import Delivery, DeliveryState, Webhook
from surefoot_server.notify.service import NotifyService
from surefoot_shared.errors import NotAllowed, SurefootError

log = logging.getLogger(__name__)
WORKERS = 4
BATCH = 200
PAUSE_S = 1.0
"""Between two looks at the queue where nothing wakes it; back-off is no finer."""
ERROR_CHARACTERS = 300


class Sender:
    """One thread that looks, and a few that send."""

    def __init__(
        self,
        database: Database,
        service: NotifyService,
        leads: Callable[[], bool] = lambda: True,
        clock: Callable[[], datetime] = db.utc_now,
    ) -> None:
        self._db, self._service, self._leads, self._clock = database, service, leads, clock
        self._news, self._stopping = threading.Event(), threading.Event()
        self._lock, self._busy = threading.Lock(), set[str]()
        self._thread = threading.Thread(target=self._run, name="notify", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Start no more; what is on its way and not noted is tried again at the next start."""
        self._stopping.set()
        self._news.set()
        self._thread.join()

    def wake(self) -> None:
        self._news.set()

    def look(self) -> list[threading.Thread]:
        """Queue what is new, and start on what is due; return the threads that were started."""
        self._service.queue(self._clock())
        started = []
        for webhook_id, rows in self._due().items():
            with self._lock:
                if webhook_id in self._busy or len(self._busy) >= WORKERS:
                    continue
                self._busy.add(webhook_id)
            # A daemon: what hangs in a receiver's silence must not keep the server from ending.
            thread = threading.Thread(target=self._serve, args=(webhook_id, rows), name="notify", daemon=True)
            thread.start()
            started.append(thread)
        return started

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._news.clear()
            try:
                if self._leads():
                    self.look()
            except Exception:  # the next look must come, whatever happened in this one
                log.exception("notify_failed")
            self._news.wait(PAUSE_S)

    def _due(self) -> dict[str, list[Delivery]]:
        """webhook → its deliveries that are due, the oldest first."""
        waiting = Delivery.state == DeliveryState.WAITING.value
        query = select(Delivery).where(waiting, col(Delivery.next_at) <= self._clock())
        found: dict[str, list[Delivery]] = {}
        with self._db.read() as session:
            for row in session.exec(query.order_by(col(Delivery.next_at), col(Delivery.id)).limit(BATCH)):
                found.setdefault(row.webhook_id, []).append(row)
        return found

    def _serve(self, webhook_id: str, rows: list[Delivery]) -> None:
        try:
            self._in_turn(webhook_id, rows)
        except Exception:  # what is not noted is tried again
            log.exception("notify_failed webhook=%s", webhook_id)
        finally:
            with self._lock:
                self._busy.discard(webhook_id)
            self._news.set()

    def _in_turn(self, webhook_id: str, rows: list[Delivery]) -> None:
        """One receiver's; after a failure the rest waits, for it would most likely fail as well."""
        with self._db.read() as session:
            hook = session.get(Webhook, webhook_id)
        for row in rows:
            if hook is None or self._stopping.is_set() or not self._try(hook, row):
                return

    def _try(self, hook: Webhook, row: Delivery) -> bool:
        now, status, error, final = self._clock(), None, "", False
        try:
            receiver = self._service.receiver(hook)
            answer = forms.deliver(receiver, json.loads(row.body), row.message_id, now, self._service.outside)
            status = answer or None
            if status is not None and not 200 <= status < 300:
                error = f"The receiver answered {status}."
                final = status == GONE
        except SurefootError as refused:
            error, final = refused.message, isinstance(refused, NotAllowed)
        self._note(hook, row.id or 0, status, error, final)
        return not error

    def _note(self, hook: Webhook, delivery_id: int, status: int | None, error: str, final: bool) -> None:
        now = self._clock()
        with self._db.write() as session:
            row = session.get(Delivery, delivery_id)
            if row is None:
                return  # its webhook was deleted meanwhile
            row.tries, row.tried_at, row.status, row.error = row.tries + 1, now, status, error[:ERROR_CHARACTERS]
            row.next_at = None if not error or final else next_at(row.tries, now, random.random())  # noqa: S311
            state = DeliveryState.WAITING if row.next_at else DeliveryState.FAILED
            row.state = (state if error else DeliveryState.DELIVERED).value
            session.add(row)
            if row.state == DeliveryState.FAILED.value:
                detail = {"name": hook.name, "delivery": row.id, "why": row.error}
                audit.record_seldom(session, "server", "webhook.failed", f"webhook:{hook.id}", detail, now)
        if error:
            log.warning("webhook_not_delivered webhook=%s delivery=%s tries=%s", hook.id, delivery_id, row.tries)


GONE = 410
"""Standard Webhooks: the receiver wants no more of these."""
