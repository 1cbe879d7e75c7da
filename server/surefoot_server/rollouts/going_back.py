"""What a revert would do, before it is ordered: who returns without a download, who must fetch, who cannot and why.

Promises: read from what devices last said of their slots; changes nothing. A slot may be filled anew in between, so it
is a forecast and not a promise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from surefoot_server.devices.models import Device, DeviceComponent
from surefoot_server.releases.models import Release
from surefoot_server.rollouts import joined, repository
from surefoot_server.rollouts.models import Rollout, RolloutMember
from surefoot_shared.status import Outcome, SlotState

MB = 1_000_000
PART = aliased(DeviceComponent)
"""The component that goes back; what the leading one runs says whether the device has the release."""


@dataclass(frozen=True, slots=True)
class Return:
    """One device: the release it goes back to, the bytes it fetches at most (0 where its slots hold all of it)."""

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
    """Look at every member that has the release, or may have it, and was not ordered back; a set counts whole."""
    barred = repository.barred(session, row, halted)
    parts: dict[str, list[Return]] = {}
    for component in row.components:
        claims = repository.claims_on(session, component, repository.CLAIMING, younger_than=row.number)
        for read in session.connection().execute(_query(row, component)):
            part = _return(row, component, read, claims.get(read.device_id), barred)
            parts.setdefault(read.device_id, []).append(part)
    return Forecast(tuple(_whole(found) for found in parts.values()))


def _whole(parts: Sequence[Return]) -> Return:
    """A device goes back with all its parts or not at all; the leading one's release names where to."""
    stuck = next((part for part in parts if part.cannot), None)
    size_bytes = 0 if stuck else sum(part.size_bytes for part in parts)
    return replace(parts[0], size_bytes=size_bytes, cannot=stuck.cannot if stuck else "")


def _return(
    row: Rollout, component: str, read: sa.Row[Any], claimed_by: str | None, barred: Mapping[str, str]
) -> Return:
    its = "it" if component == row.component else f"its {component}"
    cannot = ""
    if read.revoked_at is not None:
        cannot = "it is revoked"
    elif claimed_by is not None:
        cannot = f"rollout {claimed_by} wants something else of {its}"
    elif read.previous is None or read.previous in row.releases:
        of = "" if component == row.component else f" as {its}"
        cannot = f"the release that ran before{of} is not known to the server"
    elif read.previous in barred:
        cannot = f"{its} ran {read.previous} before, and {barred[read.previous]}"
    held = any(s.get("digest") == read.digest and s.get("state") == SlotState.GOOD.value for s in _slots(read))
    return Return(read.device_id, read.previous, 0 if held or cannot else read.total_bytes, cannot)


def _slots(read: sa.Row[Any]) -> Sequence[dict[str, Any]]:
    return list((read.slots or {}).values())


def _query(row: Rollout, component: str) -> sa.Select[Any]:
    """Of the members that have the release, or may have it, what the component ran before and what its slots hold."""
    leads = component == row.component
    order = joined.LEADING if leads else joined.OTHER
    columns: list[sa.ColumnElement[Any]] = [
        col(RolloutMember.device_id).label("device_id"),
        col(Device.revoked_at).label("revoked_at"),
        col(order.previous_release_id).label("previous"),
        col(Release.digest).label("digest"),
        col(Release.total_bytes).label("total_bytes"),
        col(PART.slots).label("slots"),
    ]
    query = _leading(columns) if leads else joined.query(row, component, columns)
    has_it = col(joined.LEADING.outcome).in_((Outcome.COMMITTED.value, Outcome.LOST.value))
    return (
        query.join(Device, col(Device.id) == col(RolloutMember.device_id))
        .outerjoin(Release, col(Release.id) == col(order.previous_release_id))
        .outerjoin(DeviceComponent, _of(DeviceComponent, row.component))
        .outerjoin(PART, _of(PART, component))
        .where(
            col(RolloutMember.rollout_id) == row.id,
            col(RolloutMember.standing) == repository.MEMBER,
            col(RolloutMember.revert_assignment_id).is_(None),
            has_it | (col(DeviceComponent.digest) == row.digest),
        )
        .order_by(col(RolloutMember.device_id))
    )


def _leading(columns: Sequence[sa.ColumnElement[Any]]) -> sa.Select[Any]:
    query = sa.select(*columns).select_from(RolloutMember)
    return query.join(joined.LEADING, col(joined.LEADING.id) == col(RolloutMember.assignment_id))


def _of(part: type[DeviceComponent], component: str) -> sa.ColumnElement[bool]:
    return sa.and_(col(part.device_id) == col(RolloutMember.device_id), col(part.component) == component)
