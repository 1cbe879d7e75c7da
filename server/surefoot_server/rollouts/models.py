"""Rows of a rollout: itself, its phases, its members, its decisions, and when the engine could not watch.

Promises: states, counts and reasons here are what the engine decided, with the numbers it decided on. What a device did
is in its assignment and nowhere else; a member only points to it. Members are written once, when the rollout starts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from surefoot_server.db import UtcDateTime

WAITING = "standing = 'member' AND assignment_id IS NULL"
"""Members that were offered nothing yet: an index holds these alone."""
NOT_SENT_BACK = "standing = 'member' AND assignment_id IS NOT NULL AND revert_assignment_id IS NULL"
"""Members that were offered it and not ordered back: an index holds these alone, so taking back costs who is left."""
LEFT_OUT = "standing <> 'member'"
"""Devices that are no members: an index holds these alone, so that they can be counted."""
BACKING_OFF = "retry_at IS NOT NULL AND assignment_id IS NULL"
"""Members whose next try was put off: an index holds these alone."""


class Rollout(SQLModel, table=True):
    """One release, or a set, to one cohort under one policy. Every change is a compare-and-set on (phase, version)."""

    id: str = Field(primary_key=True, max_length=16)
    number: int = Field(unique=True)
    """Rises with each rollout: the younger of two claims a device that both have."""
    release_id: str = Field(foreign_key="release.id", index=True)
    component: str = Field(max_length=32)
    digest: str = Field(index=True, max_length=64)
    companions: list[dict[str, Any]] = Field(
        default_factory=list, sa_type=sa.JSON, sa_column_kwargs={"server_default": "[]"}
    )
    """What is ordered with it as one set: release, component and digest of each; see `companions.py`."""
    cohort: str
    """The name of a saved cohort, or the expression itself where it was given directly."""
    expression: str
    policy: str
    """The policy document as the operator gave it; parsed again at each use, so that nothing is lost in between."""
    salt: str
    state: str = Field(index=True)
    phase: int = 0
    """Index of the current phase; the number of phases once all passed."""
    version: int = 1
    reason: str = ""
    committed_devices: str = ""
    """keep or revert, once the rollout was stopped."""
    back: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON, sa_column_kwargs={"server_default": "{}"})
    """How far the way back is: `stage`, `baking_at`, `held`, `acknowledged`; see `stages.py`."""
    halts_digest: bool = Field(default=False, index=True)
    """True while this rollout is why the digest is on the signed halt list."""
    tally: dict[str, int] = Field(default_factory=dict, sa_type=sa.JSON, sa_column_kwargs={"server_default": "{}"})
    """Ended attempts by outcome, and orders to go back as `revert:` and their outcome; see `tally.py`."""
    created_at: datetime = Field(sa_type=UtcDateTime)
    created_by: str
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    @property
    def releases(self) -> list[str]:
        """All that it orders, its own first."""
        return [self.release_id, *(each["release"] for each in self.companions)]

    @property
    def named(self) -> str:
        """Its releases as a person names them."""
        return " + ".join(self.releases)

    @property
    def components(self) -> list[str]:
        """Of its releases, in the same order."""
        return [self.component, *(each["component"] for each in self.companions)]

    @property
    def ordered(self) -> list[str]:
        """Digests of its releases, in the same order."""
        return [self.digest, *(each["digest"] for each in self.companions)]

    @property
    def digests(self) -> set[str]:
        return set(self.ordered)


class RolloutPhase(SQLModel, table=True):
    __tablename__ = "rollout_phase"
    rollout_id: str = Field(primary_key=True, foreign_key="rollout.id", max_length=16)
    index: int = Field(primary_key=True)
    name: str
    selector: str
    """What the policy says of its members: a percentage or an expression."""
    bake_s: float
    members: int
    state: str
    began_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    tally: dict[str, int] = Field(default_factory=dict, sa_type=sa.JSON, sa_column_kwargs={"server_default": "{}"})
    """Ended attempts that count in this phase, by outcome."""
    waiting_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """Start of max_wait: when offering began, or when a person let a held phase wait again."""
    activated_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """When its devices were told to switch together (blue-green)."""
    baking_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    looks: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """Looks at the metrics that were taken within the bake."""
    verdict: str | None = None
    evidence: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)
    reason: str = ""
    acknowledged: dict[str, int] = Field(default_factory=dict, sa_type=sa.JSON)
    """Failures by outcome, and objectives about metrics by key, that a person has seen and let pass with `resume`."""


class RolloutMember(SQLModel, table=True):
    """A device of the cohort: in which phase it is and why, or why it is left out (`standing`)."""

    __tablename__ = "rollout_member"
    rollout_id: str = Field(primary_key=True, foreign_key="rollout.id", max_length=16)
    device_id: str = Field(primary_key=True, foreign_key="device.id", max_length=64, index=True)
    standing: str
    """member, satisfied (it already ran the release when the rollout started: done, and no evidence) or excluded."""
    phase: int | None = None
    hw: str
    reason: str
    place: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """Its turn within the phase, by the rollout's salt."""
    site: str = Field(default="", sa_column_kwargs={"server_default": ""})
    zone: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Its attributes `site` and `timezone` when the rollout was made."""
    assignment_id: str | None = Field(default=None, index=True)
    revert_assignment_id: str | None = None
    tries: dict[str, int] = Field(default_factory=dict, sa_type=sa.JSON, sa_column_kwargs={"server_default": "{}"})
    """Class of failure → how often it was tried again for that; see `retries.py`."""
    retry_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """Its next try begins then, and not before."""

    __table_args__ = (
        sa.Index(
            "ix_rollout_member_retry",
            "rollout_id",
            sqlite_where=sa.text(BACKING_OFF),
            postgresql_where=sa.text(BACKING_OFF),
        ),
        sa.Index(
            "ix_rollout_member_left_out",
            "rollout_id",
            "standing",
            sqlite_where=sa.text(LEFT_OUT),
            postgresql_where=sa.text(LEFT_OUT),
        ),
        sa.Index(
            "ix_rollout_member_not_sent_back",
            "rollout_id",
            "phase",
            "place",
            sqlite_where=sa.text(NOT_SENT_BACK),
            postgresql_where=sa.text(NOT_SENT_BACK),
        ),
        sa.Index(
            "ix_rollout_member_waiting",
            "rollout_id",
            "phase",
            "place",
            sqlite_where=sa.text(WAITING),
            postgresql_where=sa.text(WAITING),
        ),
    )


class RolloutDecision(SQLModel, table=True):
    """One decision of the engine or act of a person, as it was applied, with its reason."""

    __tablename__ = "rollout_decision"
    id: int | None = Field(default=None, primary_key=True)
    rollout_id: str = Field(foreign_key="rollout.id", index=True, max_length=16)
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str
    kind: str
    phase: int | None = None
    device_id: str | None = Field(default=None, index=True, max_length=64)
    reason: str
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=sa.JSON)


class RolloutApproval(SQLModel, table=True):
    """One person's yes to a rollout (`phase` is -1) or to one of its phases."""

    __tablename__ = "rollout_approval"
    rollout_id: str = Field(primary_key=True, foreign_key="rollout.id", max_length=16)
    phase: int = Field(primary_key=True)
    actor: str = Field(primary_key=True, max_length=200)
    at: datetime = Field(sa_type=UtcDateTime)
    reason: str = ""


class EngineClock(SQLModel, table=True):
    """One row: when the engine last looked. A gap means that the server was down."""

    __tablename__ = "engine_clock"
    id: int = Field(default=1, primary_key=True)
    ticked_at: datetime = Field(sa_type=UtcDateTime)


class Outage(SQLModel, table=True):
    """A time in which the server or its broker was down: timers stand still for it."""

    id: int | None = Field(default=None, primary_key=True)
    began_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime = Field(sa_type=UtcDateTime, index=True)
    cause: str
