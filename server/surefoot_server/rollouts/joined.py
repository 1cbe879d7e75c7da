"""What the companions of a rollout's members say: the assignments that were made as one set with the leading one.

Promises: one query for each companion, whatever the fleet's size, and none for a rollout of one release; a set is as
far as the member that is behind, so a device counts as ready only once all of it is staged. Refuses to decide anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from surefoot_server.devices.models import Assignment
from surefoot_server.rollouts.facts import PAST_THE_SWITCH, AttemptFact
from surefoot_server.rollouts.models import Rollout, RolloutMember
from surefoot_shared.status import AttemptState

LEADING = aliased(Assignment, name="leading")
OTHER = aliased(Assignment, name="other")


UNDER_WAY = (sa.text("leading.open"), sa.text("other.open"))
"""In the words of the index of open attempts: otherwise every member of the rollout is read at each look."""
ORDER = tuple(AttemptState)
"""As an attempt goes; the ends of a bad one come last, and whoever is there is not waited for."""


@dataclass(frozen=True, slots=True)
class Part:
    """How far one open member of a set is."""

    state: AttemptState
    state_at: datetime


def query(row: Rollout, component: str, columns: Sequence[Any], *, back: bool = False) -> sa.Select[Any]:
    """Members with the LEADING assignment of their update, or of their way back, and the OTHER of its set."""
    same_set = col(OTHER.joint)["id"].as_string() == col(LEADING.joint)["id"].as_string()
    leads, leads_back = col(RolloutMember.assignment_id), col(RolloutMember.revert_assignment_id)
    of_device = sa.and_(col(OTHER.device_id) == RolloutMember.device_id, col(OTHER.component) == component)
    return (
        sa.select(*columns)
        .select_from(RolloutMember)
        .join(LEADING, col(LEADING.id) == (leads_back if back else leads))
        .join(OTHER, sa.and_(of_device, same_set, col(OTHER.id) != LEADING.id))
        .where(col(RolloutMember.rollout_id) == row.id, col(LEADING.rollout_id) == row.id)
    )


def without_way_back(
    session: Session, row: Rollout, never: Collection[str], among: Sequence[str] | None = None
) -> frozenset[str]:
    """Devices of which a companion ran nothing known before, or one of `never`: the set cannot go back as one.

    `among` asks for these alone: a look must not read a whole fleet.
    """
    found: set[str] = set()
    for component in row.components[1:]:
        before = col(OTHER.previous_release_id)
        asked = query(row, component, [col(RolloutMember.device_id)])
        asked = asked.where(before.is_(None) | before.in_(sorted(never)))
        asked = asked if among is None else asked.where(col(RolloutMember.device_id).in_(among))
        found.update(session.connection().scalars(asked))
    return frozenset(found)


def is_stuck(component: str, never: Collection[str]) -> sa.ColumnElement[bool]:
    """The same of the device and the Assignment of a query around it, by one companion."""
    before = col(OTHER.previous_release_id)
    return sa.exists(
        sa.select(col(OTHER.id)).where(
            col(OTHER.device_id) == col(RolloutMember.device_id),
            col(OTHER.component) == component,
            col(OTHER.joint)["id"].as_string() == col(Assignment.joint)["id"].as_string(),
            col(OTHER.id) != col(Assignment.id),
            before.is_(None) | before.in_(sorted(never)),
        )
    )


def open_parts(session: Session, row: Rollout, *, back: bool) -> Mapping[str, list[Part]]:
    """device → how far the companions of its open order are, those that ended left out."""
    found: dict[str, list[Part]] = {}
    columns = [col(RolloutMember.device_id), col(OTHER.state), col(OTHER.state_at)]
    for component in row.components[1:]:
        under_way = query(row, component, columns, back=back).where(*UNDER_WAY)
        for device, state, at in session.connection().execute(under_way):
            found.setdefault(device, []).append(Part(AttemptState(state), at))
    return found


def as_far(leading: AttemptFact | None, parts: Sequence[Part]) -> AttemptFact | None:
    """The leading attempt as far as its set is; pure. One that proved its commit waits for the others alone."""
    if leading is None or leading.outcome is not None or not parts:
        return leading
    mine = [] if leading.state is AttemptState.COMMITTING else [Part(leading.state, leading.state_at)]
    members = [*mine, *parts]
    tried = next((part for part in members if part.state in PAST_THE_SWITCH), None)
    slowest = tried or min(members, key=lambda part: ORDER.index(part.state))
    return replace(leading, state=slowest.state, state_at=max(part.state_at for part in members))
