"""The rollout engine: facts in, decisions with reasons out; pure, and asked again after every change.

Promises: a phase advances on a passed verdict and on nothing else; a failed verdict counts at any moment, also while
paused or held; in a rollout that is halted, reverting, failed or cancelled nothing that has not switched proceeds; a
sleeping device blocks nothing and is offered the release only while the latest verdict allows it; asked twice with the
same facts it decides the same, and once its decisions are applied it does not decide them again. Source: DESIGN §8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from surefoot_server.rollouts.decisions import (
    BeginBake,
    CollapsePhase,
    Decision,
    EndRevert,
    FailPhase,
    Finish,
    HoldPhase,
    Lose,
    Offer,
    PassPhase,
    SendBack,
    StartPhase,
    TimeOut,
    Withdraw,
)
from surefoot_server.rollouts.facts import NOT_A_TRY, AttemptFact, Facts, MemberFact, Watch
from surefoot_server.rollouts.judge import Finding, judge
from surefoot_server.rollouts.policy import CommittedDevices, OnInconclusive, Policy
from surefoot_shared.status import AttemptState, Outcome, PhaseState, RolloutState, Verdict

OPEN = frozenset({RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.HELD})
STOPPED = frozenset({RolloutState.HALTED, RolloutState.FAILED, RolloutState.CANCELLED, RolloutState.REVERTING})


def decide(policy: Policy, facts: Facts, now: datetime) -> list[Decision]:
    """Return what is to be done now, in the order in which it is to be applied; nothing where all is well."""
    expired: list[Decision] = list(_expire(policy, facts, now))
    facts = _with_expired(facts, expired, now)
    watch = Watch(facts, now, policy.timeouts.asleep_after_s)
    if facts.state in STOPPED:
        return [*expired, *_stop(policy, watch)]
    if facts.state in OPEN and (failed := _failed(policy, watch)) is not None:
        return [*expired, failed]
    if facts.state is RolloutState.RUNNING:
        return [*expired, *_advance(policy, watch)]
    if facts.state is RolloutState.SUCCEEDED:
        return [*expired, *_late_lane(policy, watch)]
    return expired


# --- timers ---------------------------------------------------------------------------------------------------------


def _expire(policy: Policy, facts: Facts, now: datetime) -> Iterator[Lose | TimeOut]:
    watch = Watch(facts, now, policy.timeouts.asleep_after_s)
    for member in facts.members:
        for order, attempt in (("update", member.attempt), ("revert", member.revert)):
            if attempt is not None and attempt.outcome is None:
                yield from _expire_one(policy, watch, member, attempt, order)


def _expire_one(
    policy: Policy, watch: Watch, member: MemberFact, attempt: AttemptFact, order: str
) -> Iterator[Lose | TimeOut]:
    limits = policy.timeouts
    silent_s = watch.silent_s(member, attempt)
    stuck_s = watch.facts.outages.elapsed_s(attempt.state_at, watch.now)
    settled = watch.facts.outages.settled(watch.now)
    if attempt.past_the_switch and silent_s >= limits.lost_after_s and settled:
        yield Lose(member.device, f"silent for {_span(silent_s)} since {attempt.state.value}", order)
    elif attempt.past_the_switch and settled and stuck_s >= limits.step_s + limits.lost_after_s:
        # The device's own guard must have ended any trial by now: connected or not, no verdict will come.
        yield Lose(member.device, f"no verdict for {_span(stuck_s)} since {attempt.state.value}", order)
    elif not attempt.past_the_switch and member.online and stuck_s >= limits.step_s:
        yield TimeOut(member.device, f"{attempt.state.value} for {_span(stuck_s)} without progress", order)


def _with_expired(facts: Facts, expired: Sequence[Decision], now: datetime) -> Facts:
    """The facts as they will be once these are applied, so that the judge sees them at once."""
    ends = {(e.device, e.order): Outcome.LOST for e in expired if isinstance(e, Lose)}
    ends |= {(e.device, e.order): Outcome.FAILED for e in expired if isinstance(e, TimeOut)}
    if not ends:
        return facts

    def ended(member: MemberFact, order: str, attempt: AttemptFact | None) -> AttemptFact | None:
        outcome = ends.get((member.device, order))
        return attempt if outcome is None or attempt is None else replace(attempt, outcome=outcome, ended_at=now)

    members = tuple(
        replace(m, attempt=ended(m, "update", m.attempt), revert=ended(m, "revert", m.revert)) for m in facts.members
    )
    return replace(facts, members=members)


# --- verdicts -------------------------------------------------------------------------------------------------------


def finding(policy: Policy, watch: Watch, index: int) -> Finding:
    """Judge a phase as it stands."""
    seen = watch.facts.phases[index].acknowledged
    return judge(policy.gate, policy.phases[index].min_devices, watch.counts(index), seen)


def _failed(policy: Policy, watch: Watch) -> FailPhase | None:
    """A failure needs no end of a bake, and no person's thinking time hides it."""
    index = watch.facts.phase
    if index >= len(watch.facts.phases):
        return None
    if watch.facts.phases[index].state not in (PhaseState.OFFERING, PhaseState.BAKING, PhaseState.HELD):
        return None
    found = finding(policy, watch, index)
    return _fail(policy, index, found, found.reason) if found.verdict is Verdict.FAIL else None


def _fail(policy: Policy, index: int, found: Finding, reason: str) -> FailPhase:
    revert = policy.on_fail.committed_devices is CommittedDevices.REVERT
    return FailPhase(index, reason, found, revert=revert, halt=policy.on_fail.halt)


def _inconclusive(policy: Policy, index: int, found: Finding, why: str) -> HoldPhase | FailPhase:
    if policy.gate.on_inconclusive is OnInconclusive.FAIL:
        return _fail(policy, index, found, f"inconclusive: {why}")
    return HoldPhase(index, why, found)


# --- going forward --------------------------------------------------------------------------------------------------


def _advance(policy: Policy, watch: Watch) -> Iterator[Decision]:
    facts, index = watch.facts, watch.facts.phase
    if index >= len(facts.phases):
        yield Finish(_summary(facts))
        return
    match facts.phases[index].state:
        case PhaseState.PENDING:
            yield _begin(policy, facts, index)
        case PhaseState.OFFERING:
            offers = list(_offers(policy, watch, index))
            yield from offers or _end_of_offering(policy, watch, index)
        case PhaseState.BAKING:
            yield from _offers(policy, watch, index)
            yield from _end_of_bake(policy, watch, index)


def _begin(policy: Policy, facts: Facts, index: int) -> StartPhase | CollapsePhase:
    members = sum(1 for m in facts.members if m.phase == index)
    name = policy.phases[index].name
    if members == 0:
        return CollapsePhase(index, f"nobody is in {name}")
    return StartPhase(index, f"{name} begins with {members} devices")


def _offers(policy: Policy, watch: Watch, index: int) -> Iterator[Offer]:
    """Offer to whoever is connected and whose turn it is, as far as the budget of devices at work goes."""
    due = [m for m in watch.facts.members if m.waiting and m.online and m.phase <= index]
    free = policy.max_concurrent - _at_work(watch)
    for member in due[: max(0, free)]:
        late = member.phase < index
        reason = f"awake again after its phase {policy.phases[member.phase].name}" if late else "its phase is open"
        yield Offer(member.device, index, reason)


def _at_work(watch: Watch) -> int:
    """Devices that use up the budget: those trying, and those that went silent after the switch."""
    members = watch.facts.members
    orders = [(m, a) for m in members for a in (m.attempt, m.revert) if a is not None]
    return sum(1 for m, a in orders if watch.busy(m, a) or a.outcome is Outcome.LOST)


def _end_of_offering(policy: Policy, watch: Watch, index: int) -> Iterator[Decision]:
    found = finding(policy, watch, index)
    open_ones = sum(1 for m in watch.facts.members if m.waiting and m.online and m.phase <= index)
    at_work = sum(1 for m in watch.facts.members if watch.busy(m, m.attempt))
    if open_ones == 0 and at_work == 0 and found.counts.due > 0:
        reason = f"all {found.counts.due} devices that are awake have ended their attempt"
        yield BeginBake(index, reason)
    elif _waited_s(watch, index) >= policy.gate.max_wait_s:
        why = found.reason if found.wait else f"{at_work} devices are still at it"
        yield _inconclusive(policy, index, found, f"{why} after {_span(policy.gate.max_wait_s)}")


def _end_of_bake(policy: Policy, watch: Watch, index: int) -> Iterator[Decision]:
    baking_at = watch.facts.phases[index].baking_at
    if baking_at is None or watch.facts.outages.elapsed_s(baking_at, watch.now) < policy.phases[index].bake_s:
        return
    found = finding(policy, watch, index)
    if found.verdict is Verdict.PASS:
        yield PassPhase(index, found.reason, found)
    elif not found.wait:
        yield _inconclusive(policy, index, found, found.reason)
    elif _waited_s(watch, index) >= policy.gate.max_wait_s:
        yield _inconclusive(policy, index, found, f"{found.reason} after {_span(policy.gate.max_wait_s)}")


def _waited_s(watch: Watch, index: int) -> float:
    since = watch.facts.phases[index].waiting_since
    return 0.0 if since is None else watch.facts.outages.elapsed_s(since, watch.now)


def _late_lane(policy: Policy, watch: Watch) -> Iterator[Decision]:
    """After a success the sleepers still get it when they wake, unless those that woke show that it is bad."""
    last = len(watch.facts.phases) - 1
    if last >= 0 and finding(policy, watch, last).verdict is not Verdict.FAIL:
        yield from _offers(policy, watch, last)


# --- going back -----------------------------------------------------------------------------------------------------


def _stop(policy: Policy, watch: Watch) -> Iterator[Decision]:
    facts = watch.facts
    for member in facts.members:
        attempt = member.attempt
        if attempt is not None and attempt.outcome is None and not attempt.past_the_switch:
            yield Withdraw(member.device, f"the rollout is {facts.state.value}; it has not switched")
    if facts.state is RolloutState.REVERTING:
        yield from _take_back(policy, watch)


def _take_back(policy: Policy, watch: Watch) -> Iterator[Decision]:
    """Order the devices that have it back: those asleep at once (the order waits), others within the budget."""
    back = [m for m in watch.facts.members if _must_go_back(m)]
    free = max(0, policy.max_concurrent - _at_work(watch))
    awake = [m for m in back if m.online]
    orders = [*awake[:free], *(m for m in back if not m.online)]
    for member in orders:
        yield SendBack(member.device, f"the rollout is reverting and it is {_where(member)}")
    waits = [m for m in watch.facts.members if m.online and (watch.busy(m, m.attempt) or watch.busy(m, m.revert))]
    if not back and not waits:
        yield EndRevert(_went_back(watch.facts))


def _must_go_back(member: MemberFact) -> bool:
    if member.attempt is None or member.revert is not None or not member.has_previous or member.claimed_by:
        return False
    attempt = member.attempt
    if attempt.outcome is None:
        return attempt.past_the_switch and attempt.state is not AttemptState.REVERTING
    return member.runs_release or attempt.outcome in (Outcome.COMMITTED, Outcome.LOST)


def _where(member: MemberFact) -> str:
    attempt = member.attempt
    assert attempt is not None
    return attempt.outcome.value if attempt.outcome is not None else f"in {attempt.state.value}"


def _went_back(facts: Facts) -> str:
    ordered = [m for m in facts.members if m.revert is not None]
    back = sum(1 for m in ordered if m.revert and m.revert.outcome is Outcome.COMMITTED)
    asleep = sum(1 for m in ordered if m.revert and m.revert.outcome is None)
    kept = sum(1 for m in facts.members if m.runs_release and not m.has_previous)
    parts = [f"{back} of {len(ordered)} devices are back on their previous release"]
    parts += [f"{asleep} go back when they wake"] if asleep else []
    parts += [f"{len(ordered) - back - asleep} could not"] if len(ordered) > back + asleep else []
    parts += [f"{kept} have no known earlier release and keep it"] if kept else []
    return ", ".join(parts)


def _summary(facts: Facts) -> str:
    done = sum(1 for m in facts.members if m.attempt is not None and m.attempt.outcome is Outcome.COMMITTED)
    tried = [m.attempt for m in facts.members if m.attempt is not None and m.attempt.outcome not in NOT_A_TRY]
    asleep = sum(1 for m in facts.members if m.waiting)
    said = f"{done} of {len(tried)} devices committed it" if facts.members else "every device already runs it"
    return said + (f"; {asleep} asleep will be offered it when they wake" if asleep else "")


def _span(seconds: float) -> str:
    for unit, size_s in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{seconds:.0f} s"
