"""What every step of applying a decision needs: the session, the rollout's row and policy, the time, and the orders.

Promises: holds no state of its own; whoever makes one owns the database transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlmodel import Session

from surefoot_server.devices.models import Assignment
from surefoot_server.devices.terms import Terms
from surefoot_server.rollouts.models import Rollout, RolloutMember, RolloutPhase
from surefoot_server.rollouts.policy import Policy
from surefoot_shared.status import Intent, Outcome


class Orders(Protocol):
    """The part of the device service that makes and ends assignments."""

    def assign(
        self,
        session: Session,
        device_id: str,
        component: str,
        release_id: str,
        intent: Intent,
        rollout_id: str | None,
        phase: int | None,
        now: datetime,
        terms: Terms = ...,
    ) -> Assignment: ...

    def assign_set(
        self,
        session: Session,
        device_id: str,
        release_ids: Sequence[str],
        intent: Intent,
        now: datetime,
        rollout: tuple[str, int | None] | None = ...,
        terms: Terms = ...,
    ) -> list[Assignment]: ...

    def renew(self, session: Session, assignment_id: str, terms: Terms) -> Assignment: ...

    def withdraw(
        self, session: Session, assignment_id: str, outcome: Outcome, reason: str | None, now: datetime
    ) -> Assignment: ...


@dataclass(frozen=True, slots=True)
class Transaction:
    """What every step of applying needs."""

    session: Session
    orders: Orders
    rollout: Rollout
    policy: Policy
    now: datetime

    def phase(self, index: int) -> RolloutPhase:
        found = self.session.get(RolloutPhase, (self.rollout.id, index))
        assert found is not None
        return found

    def member(self, device: str) -> RolloutMember:
        found = self.session.get(RolloutMember, (self.rollout.id, device))
        assert found is not None
        return found
