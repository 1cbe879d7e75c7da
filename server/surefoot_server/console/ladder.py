"""The ladder of a rollout: each phase as one bar of its devices, with what lets it pass and what stops it drawn on it.

Promises: done grows from the left towards the number of reports that is needed, what went wrong grows from the right
towards the count that fails the phase, so both thresholds are seen before they are reached; the counts of a rung add up
to its members. Refuses to judge: thresholds are the judge's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session, col, select

from surefoot_server.devices.models import Assignment
from surefoot_server.languages.catalogue import Language
from surefoot_server.rollouts.facts import NOT_A_TRY
from surefoot_server.rollouts.judge import Counts, reports_needed, trip_count
from surefoot_server.rollouts.models import RolloutMember, RolloutPhase
from surefoot_server.rollouts.policy import Policy
from surefoot_server.rollouts.views import PhaseOut
from surefoot_shared.status import Outcome

BAD = frozenset({Outcome.REVERTED.value, Outcome.FAILED.value, Outcome.LOST.value, Outcome.REFUSED.value})
NOT_DUE = frozenset(outcome.value for outcome in NOT_A_TRY)
OPEN = "open"
"""In counts by outcome: attempts under way."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One phase. `needed`: reports without which it cannot pass; `trips`: outcome → the count that fails it."""

    index: int
    name: str
    selector: str
    state: str
    verdict: str
    reason: str
    members: int
    busy: int
    outcomes: Mapping[str, int]
    needed: int
    trips: Mapping[str, int]
    bake_left_s: float | None = None
    asleep: int = 0
    staged: int = 0

    @property
    def done(self) -> int:
        return sum(self.outcomes.get(good.value, 0) for good in (Outcome.COMMITTED, Outcome.SHADOWED))

    @property
    def bad(self) -> int:
        return sum(self.outcomes.get(name, 0) for name in BAD)

    @property
    def waiting(self) -> int:
        return max(0, self.members - self.done - self.bad - self.busy)

    @property
    def trips_at(self) -> int | None:
        """The least count of any outcome that fails it."""
        return min(self.trips.values(), default=None)

    def bar(self) -> list[tuple[str, float, float]]:
        """(tone, start, width) in percent: done and at work from the left, gone wrong from the right."""
        total = max(1, self.members, self.done + self.bad + self.busy)
        done, busy, bad = (100.0 * n / total for n in (self.done, self.busy, self.bad))
        parts = [("good", 0.0, done), ("work", done, busy), ("bad", 100.0 - bad, bad)]
        return [(tone, round(start, 2), round(width, 2)) for tone, start, width in parts if width]

    def marks(self) -> list[tuple[str, float]]:
        """(tone, place) in percent of both thresholds; none where nobody is in it, or where it has none."""
        if not self.members:
            return []
        found = [("good", min(100.0, 100.0 * self.needed / self.members))] if self.needed else []
        if (trips := self.trips_at) is not None:
            found.append(("bad", max(0.0, 100.0 - 100.0 * trips / self.members)))
        return [(tone, round(place, 2)) for tone, place in found]

    def picture(self, say: Language) -> str:
        """The bar in words, for those who cannot see it."""
        said = say.gettext(
            "%(done)s of %(members)s done, %(bad)s went wrong, %(busy)s at work, %(waiting)s waiting",
            done=say.number(self.done),
            members=say.number(self.members),
            bad=say.number(self.bad),
            busy=say.number(self.busy),
            waiting=say.number(self.waiting),
        )
        return f"{said}; {self.thresholds(say)}" if self.members else said

    def thresholds(self, say: Language) -> str:
        """What lets it pass and what stops it: `9 reports let it pass; 2 reverted or 1 lost stop it`."""
        passes = say.ngettext("%(num)s report is needed to pass", "%(num)s reports are needed to pass", self.needed)
        either = say.gettext(" or ")
        counts = either.join(f"{say.number(n)} {say.gettext(name)}" for name, n in self.trips.items())
        stops = say.gettext("stopped by %(counts)s", counts=counts) if counts else say.gettext("no count stops it")
        return f"{passes}; {stops}"

    def standing(self, say: Language) -> str:
        """Its counts in words, without zeros."""
        parts = [
            say.gettext("%(done)s of %(members)s done", done=say.number(self.done), members=say.number(self.members))
        ]
        for name, count in sorted(self.outcomes.items()):
            if name in BAD and count:
                parts.append(f"{say.number(count)} {say.gettext(name)}")
        others = (
            (self.busy, say.gettext("at work")),
            (self.staged, say.gettext("staged")),
            (self.asleep, say.gettext("asleep")),
            (max(0, self.waiting - self.asleep), say.gettext("waiting")),
        )
        return " · ".join([*parts, *(f"{say.number(count)} {words}" for count, words in others if count)])


def of_views(policy: Policy, phases: Sequence[PhaseOut]) -> tuple[Rung, ...]:
    """The ladder of a rollout as the API shows it."""
    return tuple(
        Rung(
            index=phase.index,
            name=phase.name,
            selector=phase.selector,
            state=phase.state,
            verdict=phase.verdict or "",
            reason=phase.reason,
            members=phase.members,
            busy=phase.busy,
            outcomes=phase.outcomes,
            bake_left_s=phase.bake_left_s,
            asleep=phase.asleep,
            staged=phase.staged,
            needed=_needed(policy, phase.index, phase.members, _due(phase), phase.outcomes, phase.acknowledged),
            trips=_trips(policy, phase.members, _due(phase)),
        )
        for phase in phases
    )


def _due(phase: PhaseOut) -> int:
    """Of its own: a phase that nobody was offered yet counts those of the phases before that still try."""
    return phase.due if phase.offered else 0


def of_rows(session: Session, policy: Policy, phases: Sequence[RolloutPhase]) -> tuple[Rung, ...]:
    """The ladder from counts that the database makes, for pages that show many rollouts of large fleets."""
    if not phases:
        return ()
    counts = _counts(session, phases[0].rollout_id)
    rungs = []
    for row in phases:
        mine = counts.get(row.index, Counter[str]())
        due = sum(count for name, count in mine.items() if name not in NOT_DUE)
        rungs.append(
            Rung(
                index=row.index,
                name=row.name,
                selector=row.selector,
                state=row.state,
                verdict=row.verdict or "",
                reason=row.reason,
                members=row.members,
                busy=mine[OPEN],
                outcomes={name: count for name, count in mine.items() if name != OPEN},
                needed=_needed(policy, row.index, row.members, due, mine, row.acknowledged),
                trips=_trips(policy, row.members, due),
            )
        )
    return tuple(rungs)


def _needed(
    policy: Policy,
    index: int,
    members: int,
    due: int,
    outcomes: Mapping[str, int],
    acknowledged: Mapping[str, int],
) -> int:
    """Reports that it needs of the devices that are due, or of all members before anybody is, as the judge counts."""
    size, refused = due or members, Outcome.REFUSED
    minimum = policy.phases[index].min_devices
    counts = Counts(members, size, size, {refused: outcomes.get(refused.value, 0)})
    return reports_needed(policy.gate, minimum, counts, acknowledged.get(refused.value, 0)) if members else 0


def _trips(policy: Policy, members: int, due: int) -> dict[str, int]:
    found = {o.metric.value: trip_count(due or members, o) for o in policy.gate.objectives}
    return {name: count for name, count in found.items() if count is not None}


def _counts(session: Session, rollout_id: str) -> dict[int, Counter[str]]:
    """Newest attempts of each phase's members by outcome; those without one count as `open`."""
    query = (
        select(RolloutMember.phase, Assignment.outcome, sa.func.count())
        .join(Assignment, col(Assignment.id) == col(RolloutMember.assignment_id))
        .where(RolloutMember.rollout_id == rollout_id)
        .group_by(col(RolloutMember.phase), col(Assignment.outcome))
    )
    counts: dict[int, Counter[str]] = {}
    for phase, outcome, count in session.exec(query):
        if phase is not None:
            counts.setdefault(phase, Counter())[outcome or OPEN] += count
    return counts
