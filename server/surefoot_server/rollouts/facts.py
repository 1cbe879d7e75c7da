"""What the engine is told: the state of a rollout, its members and its clock, as frozen values.

Promises: everything a decision depends on is in here, so the same facts give the same decision in the server, in a test
and in a simulation. Refuses to know where facts come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from surefoot_server.rollouts.judge import Counts, Look
from surefoot_server.rollouts.tally import counts_in
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
    activate: bool = True
    """False: the device stages the release and waits for the order to switch."""
    reason: str | None = None
    """The kind of failure that it ended with."""
    strayed_at: datetime | None = None
    """Since when the device is known to run something else than what it committed."""
    windows_until: datetime | None = None
    """End of the last window that it was told; None where it may switch at any time."""
    full: bool = False
    """No room for two: it waits for the order to give up the release that it has."""
    vacated_at: datetime | None = None
    """When it gave that up."""
    unsigned: str | None = None
    """Why the order could not be signed; None where it could."""

    @property
    def ready(self) -> bool:
        """Waiting for the order to switch, or to give up its only place."""
        return self.staged or (self.outcome is None and self.full and not self.activate)

    @property
    def staged(self) -> bool:
        """In its other slot, and waiting for the order to switch."""
        return self.outcome is None and self.state is AttemptState.STAGED and not self.activate

    @property
    def past_the_switch(self) -> bool:
        return self.state in PAST_THE_SWITCH


@dataclass(frozen=True, slots=True)
class MemberFact:
    """A device of the rollout. `claimed_by` names a younger rollout that wants something else of one component."""

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
    runs_newer: bool = False
    """Known of those that strayed."""
    claimed_by: str | None = None
    site: str = ""
    zone: str = ""
    tries: Mapping[str, int] = field(default_factory=dict)
    """Class of failure → how often it was tried again for that."""
    retry_at: datetime | None = None
    """Its next try begins then, and not before."""

    def backs_off(self, now: datetime) -> bool:
        return self.retry_at is not None and now < self.retry_at

    @property
    def waiting(self) -> bool:
        return self.attempt is None and self.claimed_by is None


@dataclass(frozen=True, slots=True)
class PhaseFact:
    """`others` members are not listed, and `ended` counts those attempts of theirs that the phase is judged by."""

    state: PhaseState
    waiting_since: datetime | None = None
    baking_at: datetime | None = None
    acknowledged: Mapping[str, int] = field(default_factory=dict)
    looks: int = 0
    """Looks at the metrics that were taken."""
    approved: bool = False
    """As many people as the policy asks for have approved it."""
    began_at: datetime | None = None
    activated_at: datetime | None = None
    """When its devices were told to switch together."""
    others: int = 0
    ended: Mapping[Outcome, int] = field(default_factory=dict)
    proved: bool = False
    """It passed by a verdict, and not because there was nobody in it."""
    taken: Mapping[str, int] = field(default_factory=dict)
    """Of `others`: rollout → those that it has now ("": their order was ended); read once nobody is waited for."""


@dataclass(frozen=True, slots=True)
class Others:
    """Members that are not listed, since nothing is to be decided about them; counted, so a look costs what changed."""

    outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    reverts: Mapping[Outcome, int] = field(default_factory=dict)
    waiting: int = 0
    """Asleep and not offered anything; told once every phase is over."""
    awake_to_go_back: int = 0
    """Awake ones that are still to be ordered back; counted where they are ordered in shares."""
    kept: int = 0
    """They run the release and there is nothing to go back to; told once nobody is left to send back."""
    claimed: int = 0
    """Offered nothing, and of a younger rollout now; told once every phase is over."""


@dataclass(frozen=True, slots=True)
class BackFact:
    """How far the way back is: its share, since when that waits for the next, and whether it waits for a person."""

    stage: int = 0
    baking_at: datetime | None = None
    held: bool = False
    acknowledged: int = 0
    """Devices that could not go back, as a person has seen and let pass."""


@dataclass(frozen=True, slots=True)
class Outages:
    """Times in which the server or its broker was down; `elapsed_s` leaves them out, so nothing is lost by them."""

    spans: Sequence[tuple[datetime, datetime]] = ()

    def elapsed_s(self, since: datetime, now: datetime) -> float:
        down_s = sum(max(0.0, (min(b, now) - max(a, since)).total_seconds()) for a, b in self.spans)
        return max(0.0, (now - since).total_seconds() - down_s)

    def ago(self, seconds: float, now: datetime) -> datetime:
        """The moment from which `seconds` have passed until now, with the outages left out."""
        left, at = timedelta(seconds=seconds), now
        for began, ended in sorted(self.spans, reverse=True):
            between = max(at - ended, timedelta())
            if between >= left:
                break
            left, at = left - between, min(at, began)
        return at - left

    def settled(self, now: datetime) -> bool:
        """False for a while after an outage: devices that reconnect with jitter must have had their chance."""
        return all((now - end).total_seconds() >= RECONNECT_S for _, end in self.spans)


@dataclass(frozen=True, slots=True)
class Facts:
    """`phase` is the index of the current phase, the number of phases once all passed.

    `members` are in the order of their turn: everyone, or those about whom something may be to decide (`others` are
    the rest). Both give the same decisions.
    """

    state: RolloutState
    phase: int
    phases: tuple[PhaseFact, ...]
    members: tuple[MemberFact, ...]
    outages: Outages = Outages()
    others: Others = Others()
    back: BackFact = BackFact()
    unsigned: str = ""
    """Why no order for the component can be signed now, "" where one can."""
    look: Look | None = None
    """The look at the current phase's metrics that is due; read only then."""


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
        """Silent while its old release runs: it goes on when it wakes, and until then nobody waits for it."""
        if attempt.outcome is not None or attempt.past_the_switch or attempt.vacated_at is not None:
            return False
        return not member.online and self.silent_s(member, attempt) >= self.asleep_after_s

    def busy(self, member: MemberFact, attempt: AttemptFact | None) -> bool:
        return attempt is not None and attempt.outcome is None and not self.asleep(member, attempt)

    def at_work(self, *, staged: bool = True) -> int:
        """Devices that use up the budget: those trying, and those that went silent after the switch; `staged` False
        leaves out those that only wait for the order to switch.
        """
        members, others = self.facts.members, self.facts.others
        orders = [(m, a) for m in members for a in (m.attempt, m.revert) if a is not None]
        lost = others.outcomes.get(Outcome.LOST, 0) + others.reverts.get(Outcome.LOST, 0)
        busy = [a for m, a in orders if self.busy(m, a) or a.outcome is Outcome.LOST]
        return lost + sum(1 for a in busy if staged or not a.staged)

    def counted(self, index: int) -> list[tuple[MemberFact, AttemptFact]]:
        """The listed attempts that a phase is judged by: those offered in it, older open ones, and older ones that
        ended since it began.
        """
        begun = [phase.began_at for phase in self.facts.phases]
        found = []
        for member in self.facts.members:
            attempt = member.attempt
            if attempt is None or attempt.phase > index:
                continue
            if attempt.outcome is None or index in counts_in(attempt.phase, attempt.ended_at, begun):
                found.append((member, attempt))
        return found

    def counts(self, index: int) -> Counts:
        """Count the phase's attempts by outcome; `due` leaves out the sleeping and those ended by order."""
        phase, counted = self.facts.phases[index], self.counted(index)
        due = sum(1 for m, a in counted if a.outcome not in NOT_A_TRY and not self.asleep(m, a))
        due += sum(n for outcome, n in phase.ended.items() if outcome not in NOT_A_TRY)
        ended = {o: phase.ended.get(o, 0) + sum(1 for _, a in counted if a.outcome is o) for o in Outcome}
        return Counts(
            members=phase.others + sum(1 for m in self.facts.members if m.phase == index),
            offered=len(counted) + sum(phase.ended.values()),
            due=due,
            outcomes={o: n for o, n in ended.items() if n},
        )
