"""How the fleet stands, read from the database: the sentence first, then what needs a person, then rollouts and ends.

Promises: the same facts as API and command line, counted by the database, so the page costs the same for any fleet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from surefoot_server.console import concerns, ladder
from surefoot_server.console.concerns import Concern, Warned
from surefoot_server.console.ladder import Rung
from surefoot_server.devices import repository as devices
from surefoot_server.devices.models import Assignment, Device, DeviceComponent
from surefoot_server.languages.catalogue import Language
from surefoot_server.rollouts import policy as policies
from surefoot_server.rollouts import repository
from surefoot_server.rollouts.models import Rollout
from surefoot_shared.status import ROLLOUT_ENDED, PhaseState, RolloutState

OUTCOMES = 8
SHOWN_ROLLOUTS = 4
ENDED = tuple(state.value for state in ROLLOUT_ENDED)


@dataclass(frozen=True, slots=True)
class Standing:
    """A rollout as lists show it."""

    id: str
    release: str
    cohort: str
    state: str
    reason: str
    created_at: datetime
    created_by: str
    ended_at: datetime | None
    rungs: tuple[Rung, ...]

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def members(self) -> int:
        return sum(rung.members for rung in self.rungs)

    @property
    def done(self) -> int:
        return sum(rung.done for rung in self.rungs)

    @property
    def bad(self) -> int:
        return sum(rung.bad for rung in self.rungs)

    @property
    def busy(self) -> int:
        return sum(rung.busy for rung in self.rungs)

    @property
    def current(self) -> Rung | None:
        """The phase that matters now: the first that neither passed nor is still to come."""
        quiet = (PhaseState.PASSED.value, PhaseState.PENDING.value)
        return next((rung for rung in self.rungs if rung.state not in quiet), None)

    def whole(self) -> Rung:
        """All of its phases as one bar."""
        outcomes: dict[str, int] = {}
        for rung in self.rungs:
            for name, count in rung.outcomes.items():
                outcomes[name] = outcomes.get(name, 0) + count
        return Rung(0, "", "", self.state, "", "", self.members, self.busy, outcomes, 0, {})


@dataclass(frozen=True, slots=True)
class Fleet:
    total: int
    online: int
    running: Mapping[str, int]
    rollouts: tuple[Standing, ...]
    concerns: tuple[Concern, ...]
    outcomes: tuple[Assignment, ...]


def read(session: Session, say: Language, warned: Warned, now: datetime) -> Fleet:
    total, online = session.exec(
        select(sa.func.count(), sa.func.count().filter(col(Device.online).is_(True))).select_from(Device)
    ).one()
    return Fleet(
        total=total,
        online=online,
        running=_running(session),
        rollouts=tuple(standing(session, row) for row in _shown(session)),
        concerns=tuple(concerns.of(session, say, warned, now)),
        outcomes=tuple(devices.recent_outcomes(session, OUTCOMES)),
    )


def standing(session: Session, row: Rollout) -> Standing:
    phases = repository.phases(session, row.id)
    return Standing(
        id=row.id,
        release=" + ".join(row.releases),
        cohort=row.cohort,
        state=row.state,
        reason=row.reason,
        created_at=row.created_at,
        created_by=row.created_by,
        ended_at=row.ended_at,
        rungs=ladder.of_rows(session, policies.parse(row.policy), phases),
    )


def sentence(say: Language, fleet: Fleet) -> str:
    """The fleet in one sentence: what most devices run, and where the newest rollout stands."""
    if fleet.total == 0:
        return say.gettext("No device is enrolled yet.")
    total = say.number(fleet.total)
    if not fleet.running:
        said = say.gettext("None of %(total)s devices has reported a known release", total=total)
    else:
        release, count = max(fleet.running.items(), key=lambda item: (item[1], item[0]))
        said = say.gettext(
            "%(count)s of %(total)s devices run %(release)s", count=say.number(count), total=total, release=release
        )
    return f"{said}; {of_rollout(say, fleet.rollouts[0])}." if fleet.rollouts else f"{said}."


def of_rollout(say: Language, rollout: Standing) -> str:
    """Where a rollout stands, as the second half of a sentence."""
    words = _state(say, rollout)
    rung = rollout.current
    if rung is None:
        return words
    values = {"members": say.number(rung.members), "phase": rung.name}
    if rung.bad:
        return f"{words}: " + say.gettext(
            "%(bad)s of %(members)s did not keep it in %(phase)s", bad=say.number(rung.bad), **values
        )
    if rollout.state != RolloutState.RUNNING.value:
        return f"{words}: " + say.gettext(
            "%(done)s of %(members)s committed in %(phase)s", done=say.number(rung.done), **values
        )
    return f"{words}: " + say.gettext(
        "%(done)s of %(members)s committed in %(phase)s, which is %(state)s",
        done=say.number(rung.done),
        state=say.gettext(rung.state.replace("_", " ")),
        **values,
    )


def _state(say: Language, rollout: Standing) -> str:
    release = rollout.release
    match rollout.state:
        case RolloutState.RUNNING.value:
            return say.gettext("%(release)s is rolling out", release=release)
        case RolloutState.SUCCEEDED.value:
            return say.gettext("the rollout of %(release)s succeeded", release=release)
        case RolloutState.FAILED.value:
            return say.gettext("the rollout of %(release)s failed", release=release)
        case RolloutState.CANCELLED.value:
            return say.gettext("the rollout of %(release)s was cancelled", release=release)
        case RolloutState.REVERTING.value:
            return say.gettext("%(release)s is being taken back", release=release)
    state = say.gettext(rollout.state.replace("_", " "))
    return say.gettext("%(release)s is %(state)s", release=release, state=state)


def _running(session: Session) -> dict[str, int]:
    query = select(DeviceComponent.release_id, sa.func.count()).where(col(DeviceComponent.release_id).is_not(None))
    return {str(name): count for name, count in session.exec(query.group_by(col(DeviceComponent.release_id)))}


def _shown(session: Session) -> list[Rollout]:
    """Those that go on, newest first, else the one that ended last."""
    newest = select(Rollout).where(Rollout.state != RolloutState.DRAFT.value).order_by(col(Rollout.number).desc())
    going = list(session.exec(newest.where(col(Rollout.state).not_in(ENDED)).limit(SHOWN_ROLLOUTS)))
    return going or list(session.exec(newest.limit(1)))
