"""How a rollout stands while it is played: its state, its phases and their counters, as the engine is told them.

Promises: states change by the tables of `rollouts.table` alone, as in the service; attempts are counted in the phases
in which the engine counts them. Knows no devices but those that the course names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from surefoot_server.rollouts import decisions as d
from surefoot_server.rollouts.facts import Facts, MemberFact, Others, PhaseFact
from surefoot_server.rollouts.forecast.draws import SECOND
from surefoot_server.rollouts.judge import Counts, Look
from surefoot_server.rollouts.policy import Policy
from surefoot_server.rollouts.table import PhaseEvent, RolloutEvent, next_phase, next_rollout
from surefoot_shared.status import Outcome, PhaseState, RolloutState

EVENTS = {
    d.AskApproval: PhaseEvent.ASK,
    d.StartPhase: PhaseEvent.START,
    d.CollapsePhase: PhaseEvent.COLLAPSE,
    d.BeginBake: PhaseEvent.BAKE,
    d.PassPhase: PhaseEvent.PASS,
    d.HoldPhase: PhaseEvent.HOLD,
    d.FailPhase: PhaseEvent.FAIL,
}
"""Decision → what it does to its phase."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A decision about the rollout or a phase, seconds after the start."""

    at_s: float
    kind: str
    phase: int | None


class Standing:
    """`now` is in microseconds since the start; the course moves it."""

    def __init__(self, policy: Policy, sizes: Sequence[int], start: datetime) -> None:
        self.policy, self.sizes, self._start = policy, sizes, start
        self.state, self.phase, self.now, self.reason = RolloutState.RUNNING, 0, 0, ""
        self.phases = [PhaseFact(PhaseState.PENDING, others=size) for size in sizes]
        self.baking_since = self.bake_ends = self.wait_ends = 0
        self._patience = round(policy.gate.max_wait_s * SECOND)
        self.outcomes: Counter[Outcome] = Counter()
        self.noted: list[Noted] = []
        self._ended: list[Counter[Outcome]] = [Counter() for _ in sizes]

    @property
    def current(self) -> PhaseState | None:
        """The state of the current phase, None once all are over."""
        return self.phases[self.phase].state if self.phase < len(self.phases) else None

    @property
    def offering(self) -> bool:
        at_it = self.current is PhaseState.OFFERING or self.current is PhaseState.BAKING
        return at_it and self.state is RolloutState.RUNNING

    @property
    def asks_people(self) -> bool:
        return self.state is RolloutState.HELD and self.current is PhaseState.AWAITING_APPROVAL

    @property
    def at(self) -> datetime:
        return self._start + timedelta(microseconds=self.now)

    def wait_anew(self) -> None:
        """A device had its turn: the phase waits anew (where devices switch by order)."""
        if self.phase < len(self.phases):
            self.wait_ends = self.now + self._patience
            self.change(waiting_since=self.at)

    def end(self, phase: int, outcome: Outcome) -> None:
        """Count an attempt that was offered in `phase`, there and in every later phase that had begun."""
        self.outcomes[outcome] += 1
        for index in range(phase, min(self.phase + 1, len(self.phases))):
            if index == phase or self.phases[index].began_at is not None:
                self._ended[index][outcome] += 1

    def counts(self, index: int, open_ones: int) -> Counts:
        """As `Watch.counts` does, of a fleet in which whoever is at it is connected."""
        ended = self._ended[index]
        due = open_ones + sum(ended.values())
        return Counts(members=self.sizes[index], offered=due, due=due, outcomes=ended)

    def facts(self, members: Sequence[MemberFact], look: Look | None) -> Facts:
        """What the engine is told: those who are at it, and all others as counters."""
        listed = Counter(member.phase for member in members)
        phases = tuple(
            replace(phase, others=self.sizes[index] - listed[index], ended=self._ended[index])
            for index, phase in enumerate(self.phases)
        )
        others = Others(outcomes=self.outcomes)
        return Facts(self.state, self.phase, phases, tuple(members), others=others, look=look)

    def change(self, **changes: Any) -> None:
        self.phases[self.phase] = replace(self.phases[self.phase], **changes)

    def act(self, event: RolloutEvent) -> None:
        self.state = next_rollout(self.state, event)

    def apply(self, decision: d.Decision) -> None:
        """Do to the rollout and its phase what the service does."""
        index = getattr(decision, "phase", None)
        self.noted.append(Noted(self.now / SECOND, type(decision).__name__, index))
        event = EVENTS.get(type(decision))
        if event is not None and index is not None and not self._asked_again(event, index):
            self.phases[index] = replace(self.phases[index], state=next_phase(self.phases[index].state, event))
        self._follow(decision)

    def _asked_again(self, event: PhaseEvent, index: int) -> bool:
        return event is PhaseEvent.ASK and self.phases[index].state is PhaseState.AWAITING_APPROVAL

    def _follow(self, decision: d.Decision) -> None:
        match decision:
            case d.AskApproval():
                self.act(RolloutEvent.HOLD)
            case d.StartPhase():
                self.wait_ends = self.now + self._patience
                self.change(waiting_since=self.at, began_at=self.at)
            case d.BeginBake():
                self.baking_since = self.now
                self.bake_ends = self.now + round(self.policy.phases[self.phase].bake_s * SECOND)
                self.change(baking_at=self.at)
            case d.TakeLook(number=number):
                self.change(looks=number)
            case d.SwitchTogether():
                self.wait_anew()
                self.change(activated_at=self.at)
            case d.CollapsePhase() | d.PassPhase():
                self.change(proved=isinstance(decision, d.PassPhase))
                self.phase += 1
            case d.HoldPhase(reason=reason):
                self.reason = reason
                self.act(RolloutEvent.HOLD)
            case d.FailPhase(reason=reason, revert=revert):
                self.reason = reason
                self.act(RolloutEvent.REVERT if revert else RolloutEvent.FAIL)
            case d.Finish(reason=reason):
                self.reason = reason
                self.act(RolloutEvent.FINISH)
