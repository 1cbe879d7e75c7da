"""A rollout in memory: holds the facts, applies decisions by the same tables as the service, plays the fleet's part."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from surefoot_server.rollouts import decisions as d
from surefoot_server.rollouts.engine import decide
from surefoot_server.rollouts.facts import AttemptFact, Facts, MemberFact, Outages, PhaseFact, Watch
from surefoot_server.rollouts.policy import Policy, parse
from surefoot_server.rollouts.retries import counted
from surefoot_server.rollouts.strays import STRAYED
from surefoot_server.rollouts.table import PhaseEvent, RolloutEvent, next_phase, next_rollout
from surefoot_server.rollouts.taking_back import counted as counted_back
from surefoot_server.rollouts.windows import intervals
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

    def __init__(self, policy: str = TWO_PHASES, canaries: int = 3, rest: int = 9, zone: str = "") -> None:
        self.policy: Policy = parse(policy)
        self.now = START
        named = [(f"c{i}", 0) for i in range(1, canaries + 1)] + [(f"r{i}", 1) for i in range(1, rest + 1)]
        members = tuple(
            MemberFact(name, "pi", phase, True, START, site=f"s{i % 3}", zone=zone)
            for i, (name, phase) in enumerate(named)
        )
        phases = tuple(PhaseFact(PhaseState.PENDING) for _ in self.policy.phases)
        self.facts = Facts(RolloutState.RUNNING, 0, phases, members)
        self.log: list[d.Decision] = []

    # --- the server's part

    def tick(self, seconds: float = 0.0) -> list[d.Decision]:
        """Let time pass, then decide and apply until nothing is left; return what was decided."""
        self.now += timedelta(seconds=seconds)
        self.hear()
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

    def watch(self) -> Watch:
        return Watch(self.facts, self.now, self.policy.timeouts.asleep_after_s)

    def go_on_back(self) -> None:
        """What the service does on `resume` of a way back that is held."""
        self.act(RolloutEvent.RESUME)
        bad = counted_back(self.watch()).bad
        self.facts = replace(self.facts, back=replace(self.facts.back, held=False, acknowledged=bad))

    def approve(self) -> None:
        index = self.facts.phase
        self._set_phase(index, replace(self.facts.phases[index], approved=True))
        self.act(RolloutEvent.APPROVE)

    # --- the fleet's part

    def member(self, name: str) -> MemberFact:
        return next(m for m in self.facts.members if m.device == name)

    def state(self, name: str, state: AttemptState) -> None:
        self._attempt(name, state=state, state_at=self.now)

    def stage(self, *names: str) -> None:
        for name in names:
            self.state(name, AttemptState.STAGED)

    def full(self, *names: str) -> None:
        """They have no room for two releases, and wait for the order to give up the one they have."""
        for name in names:
            self._attempt(name, state=AttemptState.CHECKING, state_at=self.now, full=True)

    def vacate(self, *names: str) -> None:
        for name in names:
            changes = {"state": AttemptState.DOWNLOADING, "state_at": self.now, "full": False, "vacated_at": self.now}
            self._attempt(name, **changes)

    def activated(self) -> set[str]:
        """Who has an open attempt and may switch."""
        attempts = [(m.device, m.attempt) for m in self.facts.members if m.attempt is not None]
        return {device for device, a in attempts if a.outcome is None and a.activate}

    def end(self, outcome: Outcome, *names: str, reason: str | None = None) -> None:
        for name in names:
            self._attempt(name, state=AttemptState.IDLE, outcome=outcome, ended_at=self.now, reason=reason)
            self.put(replace(self.member(name), runs_release=outcome is Outcome.COMMITTED))

    def commit(self, *names: str) -> None:
        self.end(Outcome.COMMITTED, *names)

    def stray(self, *names: str, newer: bool = False) -> None:
        """They say hello with something else than what they committed."""
        for name in names:
            self._attempt(name, strayed_at=self.now)
            self.put(replace(self.member(name), runs_release=False, runs_newer=newer))

    def offline(self, *names: str) -> None:
        for name in names:
            self.put(replace(self.member(name), online=False, last_seen_at=self.now))

    def online(self, *names: str) -> None:
        for name in names:
            self.put(replace(self.member(name), online=True, last_seen_at=self.now))

    def claim(self, rollout: str, *names: str) -> None:
        """A younger rollout has them; what was under way of this one is superseded, `-` lets them go again."""
        for name in names:
            member = self.member(name)
            if member.attempt is not None and member.attempt.outcome is None:
                self.end(Outcome.SUPERSEDED, name)
            self.put(replace(self.member(name), claimed_by=None if rollout == "-" else rollout))

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

    def hear(self) -> None:
        for member in self.facts.members:
            if member.online:
                self.put(replace(member, last_seen_at=self.now))

    def _apply(self, decision: d.Decision) -> None:
        match decision:
            case d.StartRollout():
                self.act(RolloutEvent.START)
            case d.AskApproval(index):
                if self.phase(index) is PhaseState.PENDING:
                    self._set_phase(index, self._step(index, PhaseEvent.ASK))
                self.act(RolloutEvent.HOLD)
            case d.StartPhase(index):
                self._set_phase(
                    index, replace(self._step(index, PhaseEvent.START), waiting_since=self.now, began_at=self.now)
                )
            case d.CollapsePhase(index):
                self._set_phase(index, self._step(index, PhaseEvent.COLLAPSE))
                self.facts = replace(self.facts, phase=index + 1)
            case d.BeginBake(index):
                phase = self._step(index, PhaseEvent.BAKE)
                self._set_phase(index, replace(phase, baking_at=phase.baking_at or self.now))
            case d.PassPhase(index):
                self._set_phase(index, replace(self._step(index, PhaseEvent.PASS), proved=True))
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
            case d.Offer(device, index, _, activate):
                until = self._windows_until(device)
                made = AttemptFact(
                    AttemptState.OFFERED, self.now, self.now, index, activate=activate, windows_until=until
                )
                self.put(replace(self.member(device), attempt=made, retry_at=None))
            case d.Retry(device, _, failure, wait_s):
                tries = counted(self.member(device).tries, failure)
                later = self.now + timedelta(seconds=wait_s)
                self.put(replace(self.member(device), attempt=None, tries=tries, retry_at=later))
            case d.Reconcile(device, _, again):
                self._attempt(device, strayed_at=None)
                if again:
                    tries = counted(self.member(device).tries, STRAYED)
                    self.put(replace(self.member(device), attempt=None, tries=tries))
            case d.SendBack(device, _, activate):
                made = AttemptFact(AttemptState.OFFERED, self.now, self.now, self.facts.phase, activate=activate)
                self.put(replace(self.member(device), revert=made))
            case d.BakeBack():
                self.facts = replace(self.facts, back=replace(self.facts.back, baking_at=self.now))
            case d.NextBack(stage):
                self.facts = replace(self.facts, back=replace(self.facts.back, stage=stage, baking_at=None))
            case d.HoldBack():
                self.facts = replace(self.facts, back=replace(self.facts.back, held=True))
            case d.SwitchTogether(index):
                self._set_phase(index, replace(self.facts.phases[index], activated_at=self.now))
            case d.Activate(device, _, "update"):
                self._attempt(device, activate=True)
                index = self.facts.phase
                if index < len(self.facts.phases):
                    self._set_phase(index, replace(self.facts.phases[index], waiting_since=self.now))
            case d.Activate(device, _, _):
                back = self.member(device).revert
                assert back is not None
                self.put(replace(self.member(device), revert=replace(back, activate=True)))
            case d.Renew(device):
                self._attempt(device, windows_until=self._windows_until(device))
            case d.Withdraw(device):
                self._attempt(device, outcome=Outcome.CANCELLED, ended_at=self.now)
            case d.Lose(device, _, order):
                self._end_order(device, order, Outcome.LOST)
            case d.TimeOut(device, _, order):
                self._end_order(device, order, Outcome.FAILED, "step_timeout")

    def _windows_until(self, device: str) -> datetime | None:
        limits = self.policy.limits
        found = intervals(limits.window, limits.freeze, self.member(device).zone, self.now)
        return found[-1][1] if found else None

    def _step(self, index: int, event: PhaseEvent) -> PhaseFact:
        phase = self.facts.phases[index]
        return replace(phase, state=next_phase(phase.state, event))

    def _set_phase(self, index: int, phase: PhaseFact) -> None:
        phases = tuple(phase if i == index else p for i, p in enumerate(self.facts.phases))
        self.facts = replace(self.facts, phases=phases)

    def _attempt(self, name: str, **changes: object) -> None:
        member = self.member(name)
        assert member.attempt is not None, f"{name} was not offered anything"
        self.put(replace(member, attempt=replace(member.attempt, **changes)))  # type: ignore[arg-type]

    def _end_order(self, name: str, order: str, outcome: Outcome, reason: str | None = None) -> None:
        member = self.member(name)
        if order == "update":
            self._attempt(name, outcome=outcome, ended_at=self.now, reason=reason)
        else:
            assert member.revert is not None
            self.put(replace(member, revert=replace(member.revert, outcome=outcome, ended_at=self.now)))

    def end_revert(self, name: str, outcome: Outcome = Outcome.COMMITTED) -> None:
        self._end_order(name, "revert", outcome)
        gone = outcome is Outcome.COMMITTED
        self.put(replace(self.member(name), runs_release=self.member(name).runs_release and not gone))

    def put(self, member: MemberFact) -> None:
        members = tuple(member if m.device == member.device else m for m in self.facts.members)
        self.facts = replace(self.facts, members=members)


def kinds(decisions: list[d.Decision]) -> list[str]:
    return [type(x).__name__ for x in decisions]
