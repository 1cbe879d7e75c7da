"""What the engine is told: the state of a rollout, its members and its clock, as frozen values.

Promises: everything a decision depends on is in here, so the same facts give the same decision in the server, in a test
and in a simulation. Refuses to know where facts come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from surefoot_server.rollouts.judge import Counts
from surefoot_shared.status import AFTER_ARMED, AttemptState, Outcome, PhaseState, RolloutState

PAST_THE_SWITCH = AFTER_ARMED | {AttemptState.COMMITTING, AttemptState.REVERTING, AttemptState.RESCUE}
"""The device may run the new release, or is on its way back from it: silence from here on is a failure signal."""
RECONNECT_S = 180.0
"""Longer than the longest wait of an agent between two tries to connect."""
NOT_A_TRY = frozenset({Outcome.SUPERSEDED, Outcome.CANCELLED})
"""Ended by order: these say nothing of the release and are in no denominator."""


@dataclass(frozen=True, slots=True)
class AttemptFact:
    """How one device's attempt stands. `phase` is the one that was current when it was offered."""

    state: AttemptState
    offered_at: datetime
    state_at: datetime
    phase: int
    outcome: Outcome | None = None
    ended_at: datetime | None = None

    @property
    def past_the_switch(self) -> bool:
        return self.state in PAST_THE_SWITCH


@dataclass(frozen=True, slots=True)
class MemberFact:
    """A device of the rollout. `claimed_by` names a younger rollout that wants something else of the component."""

    device: str
    hw: str
    phase: int
    online: bool
    last_seen_at: datetime | None = None
    attempt: AttemptFact | None = None
    revert: AttemptFact | None = None
    has_previous: bool = True
    """The server knows the release that ran before, so an order to go back has a target."""
    runs_release: bool = False
    claimed_by: str | None = None

    @property
    def waiting(self) -> bool:
        return self.attempt is None and self.claimed_by is None


@dataclass(frozen=True, slots=True)
class PhaseFact:
    state: PhaseState
    waiting_since: datetime | None = None
    baking_at: datetime | None = None
    acknowledged: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outages:
    """Times in which the server or its broker was down; `elapsed_s` leaves them out, so nothing is lost by them."""

    spans: Sequence[tuple[datetime, datetime]] = ()

    def elapsed_s(self, since: datetime, now: datetime) -> float:
        down_s = sum(max(0.0, (min(b, now) - max(a, since)).total_seconds()) for a, b in self.spans)
        return max(0.0, (now - since).total_seconds() - down_s)

    def settled(self, now: datetime) -> bool:
        """False for a while after an outage: devices that reconnect with jitter must have had their chance."""
        return all((now - end).total_seconds() >= RECONNECT_S for _, end in self.spans)


@dataclass(frozen=True, slots=True)
class Facts:
    """`phase` is the index of the current phase, the number of phases once all passed."""

    state: RolloutState
    phase: int
    phases: tuple[PhaseFact, ...]
    members: tuple[MemberFact, ...]
    outages: Outages = Outages()


@dataclass(frozen=True, slots=True)
class Watch:
    """Facts and the clock together: who is awake, asleep, due or silent at this moment."""

    facts: Facts
    now: datetime
    asleep_after_s: float

    def silent_s(self, member: MemberFact, attempt: AttemptFact) -> float:
        """Seconds without a word, counted at the earliest from the attempt's last step; 0 while connected."""
        if member.online:
            return 0.0
        seen = max(filter(None, (member.last_seen_at, attempt.state_at, attempt.offered_at)))
        return self.facts.outages.elapsed_s(seen, self.now)

    def asleep(self, member: MemberFact, attempt: AttemptFact) -> bool:
        """Silent before the switch: it goes on when it wakes, and until then nobody waits for it."""
        if attempt.outcome is not None or attempt.past_the_switch:
            return False
        return not member.online and self.silent_s(member, attempt) >= self.asleep_after_s

    def busy(self, member: MemberFact, attempt: AttemptFact | None) -> bool:
        return attempt is not None and attempt.outcome is None and not self.asleep(member, attempt)

    def counted(self, index: int) -> list[tuple[MemberFact, AttemptFact]]:
        """The attempts that a phase is judged by: those offered in it, and older ones that ended since it began."""
        since = self.facts.phases[index].waiting_since
        found = []
        for member in self.facts.members:
            attempt = member.attempt
            if attempt is None or attempt.phase > index:
                continue
            left_over = attempt.outcome is None or (
                since is not None and attempt.ended_at is not None and attempt.ended_at >= since
            )
            if attempt.phase == index or left_over:
                found.append((member, attempt))
        return found

    def counts(self, index: int) -> Counts:
        """Count the phase's attempts by outcome; `due` leaves out the sleeping and those ended by order."""
        counted = self.counted(index)
        due = [a for m, a in counted if a.outcome not in NOT_A_TRY and not self.asleep(m, a)]
        return Counts(
            members=sum(1 for m in self.facts.members if m.phase == index),
            offered=len(counted),
            due=len(due),
            outcomes={o: n for o in Outcome if (n := sum(1 for _, a in counted if a.outcome is o))},
        )
