"""What the server knows of devices: the device, what its components run, what is wanted of it, and what it reported.

Promises: a row here is a fact a device signed or an order the server gave; the device's own journal stays the only
authority on what runs. Event rows are append-only and unique by (device, stream, seq).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from surefoot_server.db import JSON, UtcDateTime


class Device(SQLModel, table=True):
    """One camera node. `attention` is a kind that a person must look at, or None."""

    id: str = Field(primary_key=True, max_length=64)
    hw: str = Field(index=True)
    public_key: str
    """PEM of the key behind its certificate; hello and events are signed with it."""
    certificate_serial: str = ""
    certificate_expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    next_public_key: str = ""
    """The key that a renewal certified; it takes the first one's place when a hello is signed with it."""
    next_certificate_serial: str = ""
    next_certificate_expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    attributes: dict[str, str] = Field(default_factory=dict, sa_type=JSON)
    """Own attributes for cohort expressions: site, country, channel, …"""
    enrolled_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """Server time of the newest message of any kind."""
    hello_at: datetime | None = Field(default=None, sa_type=UtcDateTime, index=True)
    online: bool = False
    agent: str = ""
    boot_id: str = ""
    clock_source: str = ""
    stream: str = ""
    instance: str = ""
    previous_instance: str = ""
    image_versions: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    director_versions: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    halt_epoch: int = Field(default=0, sa_type=sa.BigInteger)
    svn_floor: int = 0
    attention: str | None = None
    attention_reason: str = Field(default="", sa_column_kwargs={"server_default": ""})
    attention_message: str = ""
    attention_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class DeviceTag(SQLModel, table=True):
    """A tag of a device; a table, so that `tag('x')` is the same SQL on every database."""

    __tablename__ = "device_tag"
    device_id: str = Field(primary_key=True, foreign_key="device.id", max_length=64)
    tag: str = Field(primary_key=True, index=True, max_length=64)


class DeviceComponent(SQLModel, table=True):
    """What one component of a device runs, as the device last said; `release_id` is None for an unknown digest."""

    __tablename__ = "device_component"
    device_id: str = Field(primary_key=True, foreign_key="device.id", max_length=64)
    component: str = Field(primary_key=True, max_length=32)
    slot: str | None = None
    release_id: str | None = Field(default=None, index=True)
    digest: str | None = None
    slots: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    state: str = "idle"
    assignment_id: str | None = None
    seq: int = Field(default=0, sa_type=sa.BigInteger)
    previous_kept: bool = True
    abilities: list[str] = Field(default_factory=list, sa_type=JSON, sa_column_kwargs={"server_default": "[]"})
    """What its agent announces that it can do with it; see status.Ability."""
    updated_at: datetime = Field(sa_type=UtcDateTime)


class DeviceStream(SQLModel, table=True):
    """One journal of a device: how far its numbering is stored, and the newest hellos it signed."""

    __tablename__ = "device_stream"
    device_id: str = Field(primary_key=True, foreign_key="device.id", max_length=64)
    stream: str = Field(primary_key=True, max_length=64)
    hello_seq: int = Field(default=0, sa_type=sa.BigInteger)
    hellos: list[list[Any]] = Field(default_factory=list, sa_type=JSON)
    """[seq, nonce] of the newest hellos: one number signed twice proves two agents with one key."""
    event_seq: int = Field(default=0, sa_type=sa.BigInteger)
    batch: int = Field(default=0, sa_type=sa.BigInteger)
    """Highest telemetry batch that may be acknowledged; see `telemetry.window` for the others."""
    batch_top: int = Field(default=0, sa_type=sa.BigInteger)
    batch_last: int = Field(default=0, sa_type=sa.BigInteger)
    batch_seen: bytes | None = None
    batch_held: bool = False
    clock_shift_s: float = 0.0
    """What was added to the times of the newest batch, because the device's clock could not be believed."""
    dropped_samples: int = Field(default=0, sa_type=sa.BigInteger)
    resync: bool = True
    """The device sends its whole outbox after a hello, so a hole below the next event is there for good."""


UNTALLIED = "outcome IS NOT NULL AND tallied <> outcome"
"""What a rollout has not counted yet. An index holds these rows alone, so whoever ends an attempt need not tell it."""


VACATED = "vacated_at IS NOT NULL AND outcome IS NOT NULL"
"""Ended attempts that began by giving up a release: few, and asked for at each look of a rollout that recreates."""
FAILED = "outcome IN ('failed', 'refused', 'reverted')"
"""Attempts that may be tried again: an index holds these alone."""


STRAYED = "strayed_at IS NOT NULL"


def _partial(name: str, column: str, where: str) -> sa.Index:
    return sa.Index(name, column, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


class Assignment(SQLModel, table=True):
    """The wish for one component of one device, and how the device's attempt at it goes.

    `open` until an outcome; `wanted` while it belongs into the device's bundle: a lost device keeps its wish, so that
    it may finish and correct the outcome when it returns. `outcome_by` is server or device; the device's word wins.
    """

    id: str = Field(primary_key=True, max_length=40)
    device_id: str = Field(foreign_key="device.id", max_length=64)
    component: str = Field(max_length=32)
    release_id: str = Field(foreign_key="release.id", index=True)
    digest: str
    seq: int = Field(sa_type=sa.BigInteger)
    intent: str
    rollout_id: str | None = Field(default=None)
    phase: int | None = None
    state: str
    outcome: str | None = None
    outcome_by: str | None = None
    reason: str | None = None
    message: str = ""
    report: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    proof: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    progress: float | None = None
    previous_release_id: str | None = None
    """What the component ran when it was offered: where a revert leads."""
    joint: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    """The set it belongs to, as it is signed: id, and component and digest of each member."""
    activate: bool = Field(default=True, sa_column_kwargs={"server_default": sa.true()})
    """False: the device stages it and waits for the order to switch."""
    windows: list[list[str]] | None = Field(default=None, sa_type=JSON)
    """UTC intervals in which the device may switch; None is any time."""
    download_windows: list[list[str]] | None = Field(default=None, sa_type=JSON)
    rate_bytes_per_s: int | None = None
    """What its device alone may fetch; of orders from before rollouts shared their bandwidth."""
    pool_bytes_per_s: int | None = Field(default=None, sa_type=sa.BigInteger)
    """What all devices of its rollout may fetch together."""
    lent_bytes_per_s: int | None = Field(default=None, sa_type=sa.BigInteger)
    lent_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """Its part of the rates that it shares, and how long it may have it; see `lent.py`."""
    recreate: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    """Where there is no room for two, the device may give up the release that it runs."""
    shadow: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    """As it is signed: it runs beside the live release on these terms and is never switched to."""
    full: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    """It said that there is no room, and waits for the order."""
    vacated_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """When it said that it gave up the release it ran."""
    offered_at: datetime = Field(sa_type=UtcDateTime)
    state_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    strayed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """Since when the device, which committed it, says that it runs something else; None once that was decided about."""
    unsigned: str | None = None
    """Why it could not be signed, while the device was not told of it; None where it was."""
    open: bool = True
    wanted: bool = True
    tallied: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """The outcome under which its rollout has counted it already, at `tallied_at`; empty before."""
    tallied_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    __table_args__ = (
        _partial("ix_assignment_untallied", "rollout_id", UNTALLIED),
        _partial("ix_assignment_at_work", "rollout_id", "open"),
        _partial("ix_assignment_failed", "rollout_id", FAILED),
        _partial("ix_assignment_strayed", "rollout_id", STRAYED),
        _partial("ix_assignment_lost", "rollout_id", "outcome = 'lost'"),
        _partial("ix_assignment_vacated", "rollout_id", VACATED),
        sa.Index("ix_assignment_device_id_component_open", "device_id", "component", "open"),
        sa.Index("ix_assignment_rollout_id_phase", "rollout_id", "phase"),
        sa.Index("ix_assignment_open_outcome", "open", "outcome"),
    )


class DeviceEvent(SQLModel, table=True):
    """One signed event as it was received. `suspicious` says why a claim was not believed."""

    __tablename__ = "device_event"
    id: int | None = Field(default=None, primary_key=True)
    device_id: str = Field(foreign_key="device.id", max_length=64)
    stream: str = Field(max_length=64)
    seq: int = Field(sa_type=sa.BigInteger)
    at: str
    """The device's clock, which may be wrong."""
    received_at: datetime = Field(sa_type=UtcDateTime, index=True)
    boot_id: str = ""
    kind: str
    component: str | None = None
    assignment_id: str | None = Field(default=None, index=True)
    attempt: int = 0
    state: str | None = None
    outcome: str | None = None
    reason: str | None = None
    message: str = ""
    progress: float | None = None
    proof: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    report: dict[str, Any] | None = Field(default=None, sa_type=JSON)
    suspicious: str | None = None

    __table_args__ = (sa.UniqueConstraint("device_id", "stream", "seq"),)


class DeviceRequest(SQLModel, table=True):
    """A typed request to a device and its answer; `text` is untrusted and shown as text, never as markup."""

    __tablename__ = "device_request"
    id: str = Field(primary_key=True, max_length=40)
    device_id: str = Field(foreign_key="device.id", max_length=64, index=True)
    kind: str
    requested_at: datetime = Field(sa_type=UtcDateTime)
    requested_by: str
    answered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ok: bool | None = None
    text: str = ""


class RevokedCertificate(SQLModel, table=True):
    """A certificate that must not open a connection any more; it is on the revocation list until it expires."""

    __tablename__ = "revoked_certificate"
    serial: str = Field(primary_key=True, max_length=40)
    """Lower-case hexadecimal."""
    device_id: str = Field(index=True, max_length=64)
    reason: str
    """revoked, replaced or superseded."""
    revoked_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)


class DeadLetter(SQLModel, table=True):
    """A message that was put aside, for a person to look at; the same bytes on the same topic are counted."""

    __tablename__ = "dead_letter"
    id: int | None = Field(default=None, primary_key=True)
    device_id: str = Field(index=True, max_length=64)
    """Of the topic; the device itself may be unknown here."""
    topic: str = Field(max_length=200)
    sha256: str = Field(max_length=64)
    excerpt: bytes
    """The first 2 kB, untrusted."""
    error: str
    count: int = 1
    first_at: datetime = Field(sa_type=UtcDateTime)
    last_at: datetime = Field(sa_type=UtcDateTime)

    __table_args__ = (sa.UniqueConstraint("topic", "sha256"),)
