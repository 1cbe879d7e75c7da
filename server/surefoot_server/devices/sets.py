"""Assignments of one device that are activated as one or not at all: ended, renewed and judged together.

Promises: what ends one member by the server's decision ends all, since a device takes no part of a set. The member that
belongs to a rollout, the leading one, ends as the set did: where another failed, its outcome and reason are that one's.
Works in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from surefoot_server import db
from surefoot_server.devices import repository
from surefoot_server.devices.models import Assignment
from surefoot_server.releases.models import Release
from surefoot_shared import wire
from surefoot_shared.errors import Conflict
from surefoot_shared.messages import JointSet
from surefoot_shared.status import AttemptState, Outcome

SET_BROKEN = "set_broken"
"""The kind with which a member ends that did nothing wrong itself."""
BAD = frozenset({Outcome.FAILED.value, Outcome.REFUSED.value, Outcome.REVERTED.value})
RECENT = 50
"""Newest assignments among which the others of a set are: they are made in one transaction."""


def join(session: Session, rows: Sequence[Assignment], name: str) -> None:
    """Make one set of these, started in this order; one alone is none."""
    if len(rows) < 2:
        return
    joint = JointSet(name, tuple((row.component, row.digest) for row in rows))
    for row in rows:
        row.joint = wire.to_json(joint)  # type: ignore[assignment]  # a dataclass becomes an object
        session.add(row)
    session.flush()


def others(session: Session, row: Assignment) -> list[Assignment]:
    """The other members of its set, in the order in which they were made."""
    if row.joint is None:
        return []
    query = select(Assignment).where(Assignment.device_id == row.device_id, col(Assignment.joint).is_not(None))
    newest = session.exec(query.order_by(col(Assignment.seq).desc()).limit(RECENT))
    mine = [each for each in newest if each.joint is not None and each.joint["id"] == row.joint["id"]]
    return sorted((each for each in mine if each.id != row.id), key=lambda each: each.seq)


def leading(session: Session, row: Assignment) -> Assignment | None:
    """The member of its set that belongs to a rollout."""
    return next((each for each in (row, *others(session, row)) if each.rollout_id is not None), None)


def waits_for_others(session: Session, row: Assignment) -> bool:
    """Whether it leads a set of which another member has not ended: there is one outcome for all of it."""
    return row.rollout_id is not None and any(each.open for each in others(session, row))


def settle(session: Session, row: Assignment, now: datetime) -> None:
    """A member ended: let the leading one tell how the set ended, once that is known."""
    members = [row, *others(session, row)]
    leading = next((each for each in members if each.rollout_id is not None), None)
    if leading is None:
        return
    if _has_waited(leading) and not any(each.open for each in members if each is not leading):
        _commit(session, leading, now)
    if leading.outcome is None or not _may_be_corrected(leading):
        return
    guilty = next((each for each in members if each is not leading and _is_to_blame(each)), None)
    if guilty is not None:
        if leading.outcome != guilty.outcome:  # the same one may be counted already, at the time that it had
            leading.ended_at, leading.strayed_at = now, None
        leading.outcome, leading.reason = guilty.outcome, guilty.reason
        leading.message = f"{guilty.component}: {guilty.message}"
        leading.report = leading.report or guilty.report
        session.add(leading)


def check_components(releases: Sequence[Release]) -> None:
    if not releases or len({release.component for release in releases}) < len(releases):
        raise Conflict("conflict", "The releases of a set are of different components.")


def check_not_barred(session: Session, device_id: str, release: Release, halted: Collection[str]) -> None:
    """Refuse what a rollout would refuse: a halted release, one older than what runs."""
    if release.digest in halted:
        raise Conflict("halted", f"{release.id} is on the halt list.", "Fix it in a new release.")
    running = repository.component(session, device_id, release.component)
    known = session.get(Release, running.release_id) if running and running.release_id else None
    if known is not None and known.counter > release.counter:
        message = f"{device_id} runs {known.id}, which is newer than {release.id}."
        raise Conflict("conflict", message, "A rollout with `intent: downgrade` would take it back.")


def _has_waited(leading: Assignment) -> bool:
    """It proved that it runs from a good slot, and has no outcome, or that of a device that was not heard."""
    proved = leading.state == AttemptState.COMMITTING.value and leading.proof is not None
    return proved and leading.outcome in (None, Outcome.LOST.value)


def _commit(session: Session, leading: Assignment, now: datetime) -> None:
    leading.open, leading.outcome, leading.outcome_by = False, Outcome.COMMITTED.value, "device"
    leading.state, leading.state_at, leading.ended_at = AttemptState.IDLE.value, now, now
    leading.reason, leading.wanted = None, False
    db.mark_dirty(session, leading.device_id)
    session.add(leading)


def _may_be_corrected(leading: Assignment) -> bool:
    """It ended for another's sake, or well although another did not: a set is kept by all or by none."""
    return leading.reason == SET_BROKEN or leading.outcome == Outcome.COMMITTED.value


def _is_to_blame(member: Assignment) -> bool:
    return member.outcome in BAD and member.reason != SET_BROKEN
