"""A rollout in memory: holds the facts, applies decisions by the same tables as the service, plays the fleet's part."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from surefoot_server.rollouts import decisions as d
from surefoot_server.rollouts.engine import decide
from surefoot_server.rollouts.facts import AttemptFact, Facts, MemberFact, Outages, PhaseFact
from surefoot_server.rollouts.policy import Policy, parse
from surefoot_server.rollouts.table import PhaseEvent, RolloutEvent, next_phase, next_rollout
from surefoot_shared.status import AttemptState, Outcome, PhaseState, RolloutState

START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

TWO_PHASES = """
phases:
  - {name: canary, percent: 25, bake: 60s}
  - {name: rest, percent: 100, bake: 60s}
gate: {min_reported: 0.9, max_wait: 1h}
timeouts: {lost_after: 5m, asleep_after: 1m, step: 10m}
"""


class World:
    """Members are named `c1…` (phase 0) and `r1…` (phase 1); all online at first."""

    def __init__(self, policy: str = TWO_PHASES, canaries: int = 3, rest: int = 9) -> None:
        self.policy: Policy = parse(policy)
        self.now = START
        named = [(f"c{i}", 0) for i in range(1, canaries + 1)] + [(f"r{i}", 1) for i in range(1, rest + 1)]
        members = tuple(MemberFact(name, "pi", phase, True, START) for name, phase in named)
        phases = tuple(PhaseFact(PhaseState.PENDING) for _ in self.policy.phases)
        self.facts = Facts(RolloutState.RUNNING, 0, phases, members)
        self.log: list[d.Decision] = []

    # --- the server's part

    def tick(self, seconds: float = 0.0) -> list[d.Decision]:
        """Let time pass, then decide and apply until nothing is left; return what was decided."""
        self.now += timedelta(seconds=seconds)
        self._hear()
        decided: list[d.Decision] = []
        while found := decide(self.policy, self.facts, self.now):
            assert len(decided) < 10_000, "the engine does not come to rest"
            for decision in found:
                self._apply(decision)
            decided += found
        self.log += decided
        return decided

    def act(self, event: RolloutEvent) -> None:
        self.facts = replace(self.facts, state=next_rollout(self.facts.state, event))

    def resume(self) -> None:
        """What the service does on `resume`: acknowledge, wait anew, offer withdrawn ones again."""
        halted = self.facts.state is RolloutState.HALTED
        self.act(RolloutEvent.RESUME)
        if halted:
            again = tuple(
                replace(m, attempt=None) if m.attempt and m.attempt.outcome is Outcome.CANCELLED else m
                for m in self.facts.members
            )
            self.facts = replace(self.facts, members=again)
        index = self.facts.phase
        phase = self.facts.phases[index]
        if phase.state is PhaseState.HELD:
            phase = replace(phase, state=next_phase(phase.state, PhaseEvent.RESUME))
        mine = [m.attempt for m in self.facts.members if m.attempt and m.attempt.phase == index]
        seen = {o.value: sum(1 for a in mine if a.outcome is o) for o in Outcome}
        self._set_phase(index, replace(phase, acknowledged=seen, waiting_since=self.now))

    # --- the fleet's part

    def member(self, name: str) -> MemberFact:
        return next(m for m in self.facts.members if m.device == name)

    def state(self, name: str, state: AttemptState) -> None:
        self._attempt(name, state=state, state_at=self.now)

    def end(self, outcome: Outcome, *names: str) -> None:
        for name in names:
            self._attempt(name, state=AttemptState.IDLE, outcome=outcome, ended_at=self.now)
            self._put(replace(self.member(name), runs_release=outcome is Outcome.COMMITTED))

    def commit(self, *names: str) -> None:
        self.end(Outcome.COMMITTED, *names)

    def offline(self, *names: str) -> None:
        for name in names:
            self._put(replace(self.member(name), online=False, last_seen_at=self.now))

    def online(self, *names: str) -> None:
        for name in names:
            self._put(replace(self.member(name), online=True, last_seen_at=self.now))

    def offered(self) -> set[str]:
        return {m.device for m in self.facts.members if m.attempt is not None}

    def down(self, seconds: float) -> None:
        """The server is away for a while, and knows it afterwards."""
        span = (self.now, self.now + timedelta(seconds=seconds))
        self.now = span[1]
        self.facts = replace(self.facts, outages=Outages((*self.facts.outages.spans, span)))

    @property
    def rollout(self) -> RolloutState:
        return self.facts.state

    def phase(self, index: int) -> PhaseState:
        return self.facts.phases[index].state

    # --- applying

    def _hear(self) -> None:
        for member in self.facts.members:
            if member.online:
                self._put(replace(member, last_seen_at=self.now))

    def _apply(self, decision: d.Decision) -> None:
        match decision:
            case d.StartPhase(index):
                self._set_phase(index, replace(self._step(index, PhaseEvent.START), waiting_since=self.now))
            case d.CollapsePhase(index):
                self._set_phase(index, self._step(index, PhaseEvent.COLLAPSE))
                self.facts = replace(self.facts, phase=index + 1)
            case d.BeginBake(index):
                phase = self._step(index, PhaseEvent.BAKE)
                self._set_phase(index, replace(phase, baking_at=phase.baking_at or self.now))
            case d.PassPhase(index):
                self._set_phase(index, self._step(index, PhaseEvent.PASS))
                self.facts = replace(self.facts, phase=index + 1)
            case d.HoldPhase(index):
                self._set_phase(index, self._step(index, PhaseEvent.HOLD))
                self.act(RolloutEvent.HOLD)
            case d.FailPhase(index, revert=revert):
                self._set_phase(index, self._step(index, PhaseEvent.FAIL))
                self.act(RolloutEvent.REVERT if revert else RolloutEvent.FAIL)
            case d.Finish():
                self.act(RolloutEvent.FINISH)
            case d.EndRevert():
                self.act(RolloutEvent.REVERTED)
            case d.Offer(device, index):
                made = AttemptFact(AttemptState.OFFERED, self.now, self.now, index)
                self._put(replace(self.member(device), attempt=made))
            case d.SendBack(device):
                made = AttemptFact(AttemptState.OFFERED, self.now, self.now, self.facts.phase)
                self._put(replace(self.member(device), revert=made))
            case d.Withdraw(device):
                self._attempt(device, outcome=Outcome.CANCELLED, ended_at=self.now)
            case d.Lose(device, _, order):
                self._end_order(device, order, Outcome.LOST)
            case d.TimeOut(device, _, order):
                self._end_order(device, order, Outcome.FAILED)

    def _step(self, index: int, event: PhaseEvent) -> PhaseFact:
        phase = self.facts.phases[index]
        return replace(phase, state=next_phase(phase.state, event))

    def _set_phase(self, index: int, phase: PhaseFact) -> None:
        phases = tuple(phase if i == index else p for i, p in enumerate(self.facts.phases))
        self.facts = replace(self.facts, phases=phases)

    def _attempt(self, name: str, **changes: object) -> None:
        member = self.member(name)
        assert member.attempt is not None, f"{name} was not offered anything"
        self._put(replace(member, attempt=replace(member.attempt, **changes)))  # type: ignore[arg-type]

    def _end_order(self, name: str, order: str, outcome: Outcome) -> None:
        member = self.member(name)
        if order == "update":
            self._attempt(name, outcome=outcome, ended_at=self.now)
        else:
            assert member.revert is not None
            self._put(replace(member, revert=replace(member.revert, outcome=outcome, ended_at=self.now)))

    def end_revert(self, name: str, outcome: Outcome = Outcome.COMMITTED) -> None:
        self._end_order(name, "revert", outcome)
        gone = outcome is Outcome.COMMITTED
        self._put(replace(self.member(name), runs_release=self.member(name).runs_release and not gone))

    def _put(self, member: MemberFact) -> None:
        members = tuple(member if m.device == member.device else m for m in self.facts.members)
        self.facts = replace(self.facts, members=members)


def kinds(decisions: list[d.Decision]) -> list[str]:
    return [type(x).__name__ for x in decisions]
