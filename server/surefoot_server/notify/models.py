"""Where news go to, and each piece of news on its way: the delivery queue, which is the delivery log as well.

Promises: an address and a signing secret are encrypted with a key of the server's folder, since either may be a
credential; a delivery that was queued survives the server.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from surefoot_server.db import JSON, UtcDateTime


class Form(str, Enum):
    """What a receiver is sent."""

    CLOUDEVENTS = "cloudevents"
    """JSON of CloudEvents 1.0, signed as Standard Webhooks says."""
    SLACK = "slack"
    """`{"text": …}`, as Slack, Mattermost, Rocket.Chat and Google Chat take it."""
    MAIL = "mail"
    APPRISE = "apprise"
    """Anything the library apprise knows, where it is installed."""


class DeliveryState(str, Enum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class Webhook(SQLModel, table=True):
    """One receiver and what it wants to hear; empty filters mean everything."""

    id: str = Field(primary_key=True, max_length=16)
    name: str = Field(unique=True, max_length=64)
    form: str = Field(max_length=16)
    place: str = Field(max_length=300)
    """What may be shown of the address: scheme and host, or the mailbox."""
    sealed_url: bytes
    sealed_secret: bytes
    kinds: list[str] = Field(default_factory=list, sa_type=JSON)
    rollout_id: str | None = Field(default=None, max_length=16)
    device_id: str | None = Field(default=None, max_length=64)
    language: str = Field(default="en", max_length=8)
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str


class Delivery(SQLModel, table=True):
    """One entry of the feed on its way to one receiver; `event_id` is 0 for a test."""

    id: int | None = Field(default=None, primary_key=True)
    webhook_id: str = Field(foreign_key="webhook.id", index=True, max_length=16)
    message_id: str = Field(max_length=40)
    """The same at each try and at a re-send, so that a receiver can tell a copy."""
    event_id: int = Field(sa_type=sa.BigInteger)
    body: str
    """The entry as JSON; what a receiver gets is made of it at each try."""
    state: str = Field(max_length=16)
    tries: int = 0
    next_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    status: int | None = None
    """Of the newest answer."""
    error: str = ""
    created_at: datetime = Field(sa_type=UtcDateTime, index=True)
    tried_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    __table_args__ = (sa.Index("ix_delivery_state_next_at", "state", "next_at"),)


class NotifyPlace(SQLModel, table=True):
    """One row: how far the feed has been queued."""

    __tablename__ = "notify_place"
    id: int = Field(default=1, primary_key=True)
    event_id: int = Field(default=0, sa_type=sa.BigInteger)
