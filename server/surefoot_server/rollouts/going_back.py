"""What a revert would do, before it is ordered: who returns without a download, who must fetch, who cannot and why.

Promises: read from what devices last said of their slots; changes nothing. A slot may be filled anew in between, so it
is a forecast and not a promise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from surefoot_server.devices.models import Assignment, Device, DeviceComponent
from surefoot_server.releases.models import Release
from surefoot_server.rollouts import repository
from surefoot_server.rollouts.models import Rollout, RolloutMember
from surefoot_shared.status import Outcome, SlotState

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Return:
    """One device: the release it goes back to, the bytes it fetches at most (0 where its other slot holds it)."""

    device: str
    to: str | None
    size_bytes: int
    cannot: str = ""


@dataclass(frozen=True, slots=True)
class Forecast:
    returns: tuple[Return, ...]

    @property
    def held(self) -> list[Return]:
        return [r for r in self.returns if not r.cannot and not r.size_bytes]

    @property
    def fetching(self) -> list[Return]:
        return [r for r in self.returns if not r.cannot and r.size_bytes]

    @property
    def cannot(self) -> list[Return]:
        return [r for r in self.returns if r.cannot]

    def sentence(self) -> str:
        """Counts first; of those that cannot, the first reason."""
        size_mb = sum(r.size_bytes for r in self.fetching) / MB
        parts = [f"{len(self.held)} return without a download"]
        parts += [f"{len(self.fetching)} must fetch at most {size_mb:.1f} MB together"] if self.fetching else []
        if stuck := self.cannot:
            parts.append(f"{len(stuck)} cannot ({stuck[0].device}: {stuck[0].cannot})")
        return ", ".join(parts)


def forecast(session: Session, row: Rollout, halted: Collection[str]) -> Forecast:
    """Look at every member that has the release, or may have it, and was not ordered back."""
    found = list(session.connection().execute(_query(row)))
    claims = repository.claims_on(session, row.component, repository.CLAIMING, younger_than=row.number)
    barred = repository.barred(session, row, halted)
    return Forecast(tuple(_return(row, read, claims.get(read.device_id), barred) for read in found))


def _return(row: Rollout, read: sa.Row[Any], claimed_by: str | None, barred: Mapping[str, str]) -> Return:
    cannot = ""
    if read.revoked_at is not None:
        cannot = "it is revoked"
    elif claimed_by is not None:
        cannot = f"rollout {claimed_by} wants something else of it"
    elif read.previous in (None, row.release_id):
        cannot = "the release that ran before is not known to the server"
    elif read.previous in barred:
        cannot = f"it ran {read.previous} before, and {barred[read.previous]}"
    held = any(s.get("digest") == read.digest and s.get("state") == SlotState.GOOD.value for s in _slots(read))
    return Return(read.device_id, read.previous, 0 if held or cannot else read.total_bytes, cannot)


def _slots(read: sa.Row[Any]) -> Sequence[dict[str, Any]]:
    return list((read.slots or {}).values())


def _query(row: Rollout) -> sa.Select[Any]:
    columns: list[sa.ColumnElement[Any]] = [
        col(RolloutMember.device_id).label("device_id"),
        col(Device.revoked_at).label("revoked_at"),
        col(Assignment.previous_release_id).label("previous"),
        col(Release.digest).label("digest"),
        col(Release.total_bytes).label("total_bytes"),
        col(DeviceComponent.slots).label("slots"),
    ]
    part = sa.and_(
        col(DeviceComponent.device_id) == col(RolloutMember.device_id), col(DeviceComponent.component) == row.component
    )
    has_it = col(Assignment.outcome).in_((Outcome.COMMITTED.value, Outcome.LOST.value))
    return (
        sa.select(*columns)
        .select_from(RolloutMember)
        .join(Device, col(Device.id) == col(RolloutMember.device_id))
        .join(Assignment, col(Assignment.id) == col(RolloutMember.assignment_id))
        .outerjoin(Release, col(Release.id) == col(Assignment.previous_release_id))
        .outerjoin(DeviceComponent, part)
        .where(
            col(RolloutMember.rollout_id) == row.id,
            col(RolloutMember.standing) == repository.MEMBER,
            col(RolloutMember.revert_assignment_id).is_(None),
            has_it | (col(DeviceComponent.digest) == row.digest),
        )
        .order_by(col(RolloutMember.device_id))
    )
