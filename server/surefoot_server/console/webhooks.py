"""Webhooks as the page of settings shows them: where each goes, its last delivery, and whether it fails.

Promises: at most three queries, however many webhooks there are; no address and no secret is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from surefoot_server.notify import service
from surefoot_server.notify.models import Delivery, DeliveryState, Webhook


@dataclass(frozen=True, slots=True)
class Line:
    """`last` is the newest delivery that was tried; `waiting` and `failed` count those that are kept."""

    webhook: Webhook
    last: Delivery | None
    waiting: int
    failed: int

    @property
    def failing(self) -> bool:
        """Whether the newest try came to nothing."""
        return self.last is not None and self.last.state != DeliveryState.DELIVERED.value

    @property
    def word(self) -> str:
        if self.last is None:
            return DeliveryState.WAITING.value if self.waiting else "idle"
        return "failed" if self.failing else "delivered"

    @property
    def at(self) -> datetime | None:
        return self.last.tried_at if self.last is not None else None


def read(session: Session) -> list[Line]:
    """By name."""
    last, counts = _last(session), _counts(session)
    return [
        Line(
            hook,
            last.get(hook.id),
            counts.get((hook.id, DeliveryState.WAITING.value), 0),
            counts.get((hook.id, DeliveryState.FAILED.value), 0),
        )
        for hook in service.webhooks(session)
    ]


def _last(session: Session) -> dict[str, Delivery]:
    """The one that was tried last: a re-sent one may be older than others."""
    place = sa.func.row_number().over(
        partition_by=col(Delivery.webhook_id), order_by=(col(Delivery.tried_at).desc(), col(Delivery.id).desc())
    )
    tried = select(col(Delivery.id), place.label("place")).where(col(Delivery.tried_at).is_not(None)).subquery()
    query = select(Delivery).join(tried, tried.c.id == col(Delivery.id)).where(tried.c.place == 1)
    return {row.webhook_id: row for row in session.exec(query)}


def _counts(session: Session) -> dict[tuple[str, str], int]:
    query = select(Delivery.webhook_id, Delivery.state, sa.func.count())
    query = query.group_by(col(Delivery.webhook_id), col(Delivery.state))
    return {(webhook, state): count for webhook, state, count in session.exec(query)}
