"""What the planner needs to know of each device of a cohort, in one query."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlmodel import Session, col

from surefoot_server.devices.models import Device, DeviceComponent, DeviceTag
from surefoot_server.releases.models import Release
from surefoot_server.rollouts import planner, repository

LAB = "lab"
"""The tag of devices that get a release first in any phase by percentage."""
NOT_CHOSEN: frozenset[int] = frozenset()


def candidates(
    session: Session, device_ids: Sequence[str], component: str, selected: Sequence[Collection[str] | None]
) -> list[planner.Candidate]:
    """Read what the planner needs of these devices; `selected` holds a set of ids for each phase with a `select`."""
    query = (
        sa.select(
            col(Device.id),
            col(Device.hw),
            col(Device.revoked_at),
            col(Device.attributes),
            col(DeviceTag.tag),
            col(DeviceComponent.digest),
            col(DeviceComponent.abilities),
            col(Release.counter),
        )
        .outerjoin(DeviceTag, sa.and_(col(DeviceTag.device_id) == Device.id, col(DeviceTag.tag) == LAB))
        .outerjoin(
            DeviceComponent,
            sa.and_(col(DeviceComponent.device_id) == Device.id, col(DeviceComponent.component) == component),
        )
        .outerjoin(Release, col(Release.id) == col(DeviceComponent.release_id))
        .order_by(col(Device.id))
    )
    wanted, claims = set(device_ids), repository.claims_on(session, component, repository.AT_WORK)
    chosen = [(index, ids) for index, ids in enumerate(selected) if ids is not None]
    return [
        planner.Candidate(
            device=device,
            hw=hw,
            revoked=revoked_at is not None,
            running=digest,
            running_counter=counter,
            claimed_by=claims.get(device),
            site=attributes.get("site", ""),
            zone=attributes.get("timezone", ""),
            lab=lab is not None,
            abilities=frozenset(abilities or ()),
            selected=frozenset(index for index, ids in chosen if device in ids) if chosen else NOT_CHOSEN,
        )
        for device, hw, revoked_at, attributes, lab, digest, abilities, counter in session.connection().execute(query)
        if device in wanted
    ]
