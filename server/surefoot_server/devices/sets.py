"""Assignments of one device that are activated as one or not at all: ended, renewed and judged together.

Promises: what ends one member by the server's decision ends all, since a device takes no part of a set. The member that
belongs to a rollout, the leading one, ends as the set did: where another failed, its outcome and reason are that one's.
Works in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlmodel import Session, col, select

from surefoot_server.devices import repository
from surefoot_server.devices.models import Assignment
from surefoot_server.releases.models import Release
from surefoot_shared import wire
from surefoot_shared.errors import Conflict
from surefoot_shared.messages import JointSet
from surefoot_shared.status import Outcome

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


def settle(session: Session, row: Assignment) -> None:
    """A member ended: let the leading one tell how the set ended, once that is known."""
    members = [row, *others(session, row)]
    leading = next((each for each in members if each.rollout_id is not None), None)
    if leading is None or leading.outcome is None or not _may_be_corrected(leading):
        return
    guilty = next((each for each in members if each is not leading and _is_to_blame(each)), None)
    if guilty is not None:
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


def _may_be_corrected(leading: Assignment) -> bool:
    """It ended for another's sake, or well although another did not: a set is kept by all or by none."""
    return leading.reason == SET_BROKEN or leading.outcome == Outcome.COMMITTED.value


def _is_to_blame(member: Assignment) -> bool:
    return member.outcome in BAD and member.reason != SET_BROKEN
