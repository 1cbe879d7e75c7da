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

from surefoot_server.rollouts import recreate, retries, strays, switching, taken, taking_back, unsigned
from surefoot_server.rollouts.decisions import (
    Activate,
    AskApproval,
    BeginBake,
    CollapsePhase,
    Decision,
    FailPhase,
    Finish,
    HoldPhase,
    Lose,
    Offer,
    PassPhase,
    Recall,
    Renew,
    Retry,
    StartPhase,
    StartRollout,
    TakeLook,
    TimeOut,
    WaitAnew,
    Withdraw,
)
from surefoot_server.rollouts.facts import NOT_A_TRY, AttemptFact, Facts, MemberFact, Watch
from surefoot_server.rollouts.gate import OnInconclusive
from surefoot_server.rollouts.judge import Finding, judge
from surefoot_server.rollouts.policy import CommittedDevices, Policy
from surefoot_shared.status import AttemptState, Outcome, PhaseState, RolloutState, Verdict

BEFORE_STAGED = frozenset({AttemptState.OFFERED, AttemptState.CHECKING, AttemptState.DOWNLOADING})
SERVERS_WORD = {Outcome.LOST: "lost", Outcome.FAILED: "step_timeout"}
"""The kinds with which the engine itself ends an attempt."""
OPEN = frozenset({RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.HELD})
STOPPED = frozenset({RolloutState.HALTED, RolloutState.FAILED, RolloutState.CANCELLED, RolloutState.REVERTING})


def decide(policy: Policy, facts: Facts, now: datetime) -> list[Decision]:
    """Return what is to be done now, in the order in which it is to be applied; nothing where all is well."""
    expired: list[Decision] = list(_expire(policy, facts, now))
    facts = _with_expired(facts, expired, now)
    if facts.state in OPEN or facts.state is RolloutState.SUCCEEDED:
        again: list[Retry | Recall] = [*unsigned.recalls(policy.retry, facts), *retries.again(policy.retry, facts, now)]
        facts = retries.with_again(facts, again, now)
        expired += again
    if facts.state in (RolloutState.RUNNING, RolloutState.SUCCEEDED):
        expired += strays.strays(facts, policy.intent, now)
    watch = Watch(facts, now, policy.timeouts.asleep_after_s)
    if given_back := list(recreate.given_back(watch)):
        return [*expired, *given_back]  # asked again once they are at work: they count as unavailable then
    if facts.state in STOPPED:
        return [*expired, *_stop(policy, watch)]
    if facts.state in OPEN and (failed := _failed(policy, watch)) is not None:
        return [*expired, failed]
    if facts.state is RolloutState.RUNNING:
        return [*expired, *_advance(policy, watch)]
    if facts.state is RolloutState.SUCCEEDED:
        return [*expired, *_late_lane(policy, watch)]
    if facts.state is RolloutState.SCHEDULED and (policy.start_at is None or now >= policy.start_at):
        return [StartRollout("its time has come" if policy.start_at else "it is approved")]
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
    if unsigned.untold(attempt):
        return
    limits = policy.timeouts
    silent_s = watch.silent_s(member, attempt)
    stuck_s = watch.facts.outages.elapsed_s(attempt.state_at, watch.now)
    settled = watch.facts.outages.settled(watch.now)
    blind_s = recreate.blind_s(watch, attempt)
    if (attempt.past_the_switch or blind_s) and silent_s >= limits.lost_after_s and settled:
        yield Lose(member.device, f"silent for {_span(silent_s)} since {attempt.state.value}", order)
    elif attempt.past_the_switch and settled and stuck_s >= limits.step_s + limits.lost_after_s:
        # The device's own guard must have ended any trial by now: connected or not, no verdict will come.
        yield Lose(member.device, f"no verdict for {_span(stuck_s)} since {attempt.state.value}", order)
    elif policy.recreate is not None and member.online and blind_s >= policy.recreate.blind_time_s:
        yield TimeOut(member.device, f"blind for {_span(blind_s)} and still {attempt.state.value}", order)
    elif not attempt.past_the_switch and member.online and _fetching_s(policy, watch, member, attempt) >= limits.step_s:
        yield TimeOut(member.device, f"{attempt.state.value} for {_span(stuck_s)} without progress", order)


def _fetching_s(policy: Policy, watch: Watch, member: MemberFact, attempt: AttemptFact) -> float:
    """Seconds without progress in which the device was free to make some."""
    since = attempt.state_at
    if attempt.state in BEFORE_STAGED:
        open_since = switching.may_fetch_since(policy, member, watch.now)
        if open_since is None:
            return 0.0
        since = max(since, open_since)
    return watch.facts.outages.elapsed_s(since, watch.now)


def _with_expired(facts: Facts, expired: Sequence[Decision], now: datetime) -> Facts:
    """The facts as they will be once these are applied, so that the judge sees them at once."""
    ends = {(e.device, e.order): Outcome.LOST for e in expired if isinstance(e, Lose)}
    ends |= {(e.device, e.order): Outcome.FAILED for e in expired if isinstance(e, TimeOut)}
    if not ends:
        return facts

    def ended(member: MemberFact, order: str, attempt: AttemptFact | None) -> AttemptFact | None:
        outcome = ends.get((member.device, order))
        if outcome is None or attempt is None:
            return attempt
        return replace(attempt, outcome=outcome, ended_at=now, reason=SERVERS_WORD[outcome])

    members = tuple(
        replace(m, attempt=ended(m, "update", m.attempt), revert=ended(m, "revert", m.revert)) for m in facts.members
    )
    return replace(facts, members=members)


# --- verdicts -------------------------------------------------------------------------------------------------------


def finding(policy: Policy, watch: Watch, index: int) -> Finding:
    """Judge a phase as it stands, with its metrics where a look at them is due."""
    seen, look = watch.facts.phases[index].acknowledged, watch.facts.look
    due = look if index == watch.facts.phase else None
    return judge(policy.gate, policy.phases[index].min_devices, watch.counts(index), seen, due)


def _failed(policy: Policy, watch: Watch) -> FailPhase | None:
    """A failure needs no end of a bake, and no person's thinking time hides it."""
    index = watch.facts.phase
    if index >= len(watch.facts.phases):
        return None
    if watch.facts.phases[index].state is PhaseState.AWAITING_APPROVAL and index > 0:
        found = finding(policy, watch, index - 1)
        why = f"{policy.phases[index - 1].name}, which had passed, would fail now: {found.reason}"
        return _fail(policy, index, found, why) if found.verdict is Verdict.FAIL else None
    if watch.facts.phases[index].state not in (PhaseState.OFFERING, PhaseState.BAKING, PhaseState.HELD):
        return None
    found = finding(policy, watch, index)
    return _fail(policy, index, found, found.reason) if found.verdict is Verdict.FAIL else None


def _fail(policy: Policy, index: int, found: Finding, reason: str) -> FailPhase:
    revert = policy.on_fail.committed_devices is CommittedDevices.REVERT and policy.shadow is None
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
        case PhaseState.PENDING | PhaseState.AWAITING_APPROVAL:
            yield _begin(policy, facts, index)
        case PhaseState.OFFERING:
            forward: list[Decision] = list(_forward(policy, watch, index))
            forward = forward or ([] if facts.unsigned else [*switching.together(policy, watch, index)])
            yield from forward or _end_of_offering(policy, watch, index)
        case PhaseState.BAKING:
            yield from _forward(policy, watch, index)
            yield from _look(policy, watch, index)
            yield from _end_of_bake(policy, watch, index)


def _begin(policy: Policy, facts: Facts, index: int) -> StartPhase | CollapsePhase | AskApproval:
    members = facts.phases[index].others + sum(1 for m in facts.members if m.phase == index)
    name = policy.phases[index].name
    if members == 0:
        return CollapsePhase(index, f"nobody is in {name}")
    approval = policy.phases[index].approval
    if approval is not None and not facts.phases[index].approved:
        return AskApproval(index, f"{name} waits for {approval.words}")
    return StartPhase(index, f"{name} begins with {members} devices")


def _forward(policy: Policy, watch: Watch, index: int) -> Iterator[Offer | Activate | Renew]:
    if watch.facts.unsigned:
        return
    yield from _offers(policy, watch, index)
    yield from switching.activations(policy, watch, index)
    yield from switching.renewals(policy, watch)


def _offers(policy: Policy, watch: Watch, index: int) -> Iterator[Offer]:
    """Offer to whoever is connected and whose turn it is, as far as the budget of devices at work goes."""
    due = [m for m in watch.facts.members if m.waiting and m.online and m.phase <= index]
    due = [m for m in due if not switching.frozen(policy, m, watch.now) and not m.backs_off(watch.now)]
    free = policy.max_concurrent - switching.at_work(policy, watch)
    activate = switching.offers_activated(policy, watch, index)
    for member in due[: max(0, free)]:
        late = member.phase < index
        reason = f"awake again after its phase {policy.phases[member.phase].name}" if late else "its phase is open"
        if member.tries:
            reason = f"its next try ({retries.words(member.tries)})"
        yield Offer(member.device, index, reason, activate)


def _end_of_offering(policy: Policy, watch: Watch, index: int) -> Iterator[Decision]:
    found = finding(policy, watch, index)
    open_ones = sum(1 for m in watch.facts.members if m.waiting and m.online and m.phase <= index)
    at_work = sum(1 for m in watch.facts.members if watch.busy(m, m.attempt))
    gone = taken.over(watch, index, policy.phases[index].name, found)
    if gone is not None:
        yield gone
    elif open_ones == 0 and at_work == 0 and found.out_of_reach:
        yield _inconclusive(policy, index, found, found.reason)  # nothing that bakes would change it
    elif open_ones == 0 and at_work == 0 and found.counts.due > 0:
        reason = f"all {found.counts.due} devices that are awake have ended their attempt"
        yield BeginBake(index, reason)
    elif watch.facts.unsigned:
        if _waited_s(watch, index) >= policy.gate.max_wait_s / 2:
            yield WaitAnew(index, f"no order can be signed, so waiting begins anew: {watch.facts.unsigned}")
    elif _waited_s(watch, index) >= policy.gate.max_wait_s and not switching.only_hours_hinder(policy, watch):
        why = found.reason if found.wait else f"{_devices(at_work + open_ones)} still at it"
        yield _inconclusive(policy, index, found, f"{why} after {_span(policy.gate.max_wait_s)}")


def _look(policy: Policy, watch: Watch, index: int) -> Iterator[TakeLook]:
    """A look within the bake: a failure was told before, and anything else is only noted."""
    look = watch.facts.look
    if look is not None and not look.last:
        found = finding(policy, watch, index)
        yield TakeLook(index, f"look {look.number} of {look.of}: {found.reason}", found, look.number)


def _end_of_bake(policy: Policy, watch: Watch, index: int) -> Iterator[Decision]:
    baking_at = watch.facts.phases[index].baking_at
    if baking_at is None or watch.facts.outages.elapsed_s(baking_at, watch.now) < policy.phases[index].bake_s:
        return
    if policy.gate.metrics and watch.facts.look is None:
        return  # the shell reads the samples for the last look, and asks again
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
        yield from _forward(policy, watch, last)


# --- going back -----------------------------------------------------------------------------------------------------


def _stop(policy: Policy, watch: Watch) -> Iterator[Decision]:
    facts = watch.facts
    for member in facts.members:
        attempt = member.attempt
        if attempt is not None and attempt.outcome is None and not attempt.past_the_switch:
            yield Withdraw(member.device, f"the rollout is {facts.state.value}; it has not switched")
    if facts.state is RolloutState.REVERTING:
        yield from taking_back.take_back(policy, watch)
    yield from switching.activations_back(policy, watch)


def _summary(facts: Facts) -> str:
    others = {o: n for o, n in facts.others.outcomes.items() if o not in NOT_A_TRY}
    listed = [m.attempt for m in facts.members if m.attempt is not None and m.attempt.outcome not in NOT_A_TRY]
    tried = len(listed) + sum(others.values())
    done, beside = (
        sum(1 for a in listed if a.outcome is outcome) + others.get(outcome, 0)
        for outcome in (Outcome.COMMITTED, Outcome.SHADOWED)
    )
    asleep = sum(1 for m in facts.members if m.waiting) + facts.others.waiting
    over = sum(1 for m in facts.members if m.attempt is None and m.claimed_by) + facts.others.claimed
    over += sum(1 for m in facts.members if m.attempt is not None and m.attempt.outcome is Outcome.SUPERSEDED)
    over += facts.others.outcomes.get(Outcome.SUPERSEDED, 0)
    anybody = facts.members or tried or asleep or over
    said = f"{done} of {tried} devices committed it" if anybody else "every device already runs it"
    said = f"{beside} of {tried} devices ran it beside their own; nothing was switched" if beside else said
    said += f"; {asleep} asleep will be offered it when they wake" if asleep else ""
    return said + (f"; {over} were taken over by others" if over else "")


def _devices(count: int) -> str:
    return "1 device is" if count == 1 else f"{count} devices are"


def _span(seconds: float) -> str:
    for unit, size_s in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{seconds:.0f} s"
