"""Webhooks and their delivery log over HTTP; a signing secret is in the answer that makes it and nowhere else."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from surefoot_server import db
from surefoot_server.access.guard import require
from surefoot_server.access.roles import Principal, Role
from surefoot_server.events.models import Happening
from surefoot_server.languages.catalogue import NAMES
from surefoot_server.notify import service
from surefoot_server.notify.models import Delivery, Form, Webhook
from surefoot_server.notify.service import Order
from surefoot_server.paging import Page, Paged, RowId, pages
from surefoot_server.state import state_of
from surefoot_shared.errors import Invalid, NotFound

router = APIRouter(prefix="/api/v1/webhooks", tags=["webhooks"])
Viewer = Annotated[Principal, Depends(require(Role.VIEWER))]
Admin = Annotated[Principal, Depends(require(Role.ADMIN))]


class WebhookIn(BaseModel):
    """`url` is https://… for cloudevents and slack, mailto:… for mail; without a filter everything passes."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$")
    url: str = Field(min_length=1, max_length=2000)
    form: Form = Form.CLOUDEVENTS
    kinds: list[Happening] = Field(default_factory=list, max_length=len(Happening))
    rollout: str | None = Field(default=None, max_length=16)
    device: str | None = Field(default=None, max_length=64)
    language: str = Field(default="en", max_length=8)


class WebhookOut(BaseModel):
    """`place` is what may be shown of the address."""

    id: str
    name: str
    form: str
    place: str
    kinds: list[str]
    rollout: str | None
    device: str | None
    language: str
    created_at: datetime
    created_by: str


class NewWebhook(WebhookOut):
    secret: str = Field(description="To check signatures with; shown this once, empty where the form signs nothing")


class DeliveryOut(BaseModel):
    """`state` is waiting, delivered or failed; `status` and `error` are of the newest try."""

    id: int
    webhook: str
    message_id: str
    event: int
    state: str
    tries: int
    status: int | None
    error: str
    created_at: datetime
    tried_at: datetime | None
    next_at: datetime | None


@router.post("", status_code=201)
def create(request: Request, body: WebhookIn, who: Admin) -> NewWebhook:
    """Send what happens to an address; the answer holds the secret that its signatures are checked with."""
    if body.language not in NAMES:
        raise Invalid("malformed", f"There is no language {body.language!r}; there are {', '.join(NAMES)}.")
    order = Order(body.name, body.url, body.form, body.kinds, body.rollout, body.device, body.language)
    row, secret = state_of(request).notify.create(order, who.name, db.utc_now())
    return NewWebhook(**webhook_out(row).model_dump(), secret=secret)


@router.get("")
def list_webhooks(request: Request, _who: Viewer, page: Paged) -> list[WebhookOut]:
    """Every webhook, by name; no address and no secret is shown."""
    with state_of(request).db.read() as session:
        return page.of([webhook_out(row) for row in service.webhooks(session)], lambda each: each.name)


@router.get("/{webhook}")
def show(request: Request, webhook: str, _who: Viewer) -> WebhookOut:
    """One webhook, by its name or id."""
    with state_of(request).db.read() as session:
        return webhook_out(service.find(session, webhook))


@router.delete("/{webhook}")
def delete(request: Request, webhook: str, who: Admin) -> WebhookOut:
    """Delete a webhook with everything that waits for it."""
    return webhook_out(state_of(request).notify.delete(webhook, who.name, db.utc_now()))


@router.get("/{webhook}/deliveries")
def list_deliveries(
    request: Request,
    webhook: str,
    _who: Viewer,
    page: Annotated[Page, Depends(pages(100, 1000))],
) -> list[DeliveryOut]:
    """What was sent and what waits, the newest first."""
    with state_of(request).db.read() as session:
        row = service.find(session, webhook)
        rows = service.deliveries(session, row.id, page.limit + 1, page.number)
        return [delivery_out(each) for each in page.cut(rows, lambda each: each.id or 0)]


@router.get("/{webhook}/deliveries/{delivery_id}")
def show_delivery(request: Request, webhook: str, delivery_id: RowId, _who: Viewer) -> DeliveryOut:
    """One delivery: how often it was tried, and what the receiver answered."""
    with state_of(request).db.read() as session:
        row, found = service.find(session, webhook), session.get(Delivery, delivery_id)
        if found is None or found.webhook_id != row.id:
            raise NotFound("not_found", f"Webhook {row.name} has no delivery {delivery_id}.")
        return delivery_out(found)


@router.post("/{webhook}/test", status_code=202)
def test(request: Request, webhook: str, who: Admin) -> DeliveryOut:
    """Queue a message that says it is a test."""
    return delivery_out(state_of(request).notify.test(webhook, who.name, db.utc_now()))


@router.post("/{webhook}/deliveries/{delivery_id}/resend", status_code=202)
def resend(request: Request, webhook: str, delivery_id: RowId, who: Admin) -> DeliveryOut:
    """Try a delivery anew, whatever became of it; the receiver sees the same message id."""
    return delivery_out(state_of(request).notify.resend(webhook, delivery_id, who.name, db.utc_now()))


def webhook_out(row: Webhook) -> WebhookOut:
    same = {name: getattr(row, name) for name in WebhookOut.model_fields if name not in ("rollout", "device")}
    return WebhookOut(**same, rollout=row.rollout_id, device=row.device_id)


def delivery_out(row: Delivery) -> DeliveryOut:
    return DeliveryOut(
        id=row.id or 0,
        webhook=row.webhook_id,
        message_id=row.message_id,
        event=row.event_id,
        state=row.state,
        tries=row.tries,
        status=row.status,
        error=row.error,
        created_at=row.created_at,
        tried_at=row.tried_at,
        next_at=row.next_at,
    )
