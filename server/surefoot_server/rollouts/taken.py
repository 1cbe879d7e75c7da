"""A phase of which every device now belongs to somebody else: what follows, and in which words. Pure.

Promises: a phase that can give no evidence any more is not waited for. It is passed over, visibly, only where an
earlier phase of the rollout passed on its own evidence; otherwise a person decides, whatever the policy says of
inconclusive phases, since nothing was learnt of the release. Refuses to count a device as gone that may still have its
turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from surefoot_server.rollouts.decisions import CollapsePhase, HoldPhase
from surefoot_server.rollouts.facts import NOT_A_TRY, MemberFact, Watch
from surefoot_server.rollouts.judge import Finding
from surefoot_shared.status import PhaseState

NOBODY = ""
"""In the place of a rollout's name: devices whose order was ended by a person or by another order."""


def may_be(watch: Watch, index: int) -> bool:
    """Whether of those who are listed nothing is under way, has ended or is to come: the rest is worth asking for."""
    facts = watch.facts
    if facts.phases[index].state is not PhaseState.OFFERING or watch.counts(index).due:
        return False
    if any(watch.busy(m, m.attempt) or (m.waiting and m.online and m.phase <= index) for m in facts.members):
        return False
    return all(_gone(m) for m in facts.members if m.phase == index)


def over(watch: Watch, index: int, name: str, found: Finding) -> CollapsePhase | HoldPhase | None:
    """What to do with a phase that others took over whole, None where it is not; `found` is its finding."""
    phase, mine = watch.facts.phases[index], [m for m in watch.facts.members if m.phase == index]
    holders = Counter(phase.taken) + Counter(m.claimed_by or NOBODY for m in mine)
    if not holders or sum(phase.taken.values()) < phase.others or not may_be(watch, index):
        return None
    why = _words(name, holders)
    if any(phase.proved for phase in watch.facts.phases[:index]):
        return CollapsePhase(index, why)
    return HoldPhase(index, f"{why}, and no earlier phase has passed", found)


def _gone(member: MemberFact) -> bool:
    attempt = member.attempt
    return member.claimed_by is not None if attempt is None else attempt.outcome in NOT_A_TRY


def _words(name: str, holders: Mapping[str, int]) -> str:
    total, rollouts = sum(holders.values()), sorted(holder for holder in holders if holder != NOBODY)
    if len(rollouts) == 1 and NOBODY not in holders:
        one = f"the only device of {name} now belongs to rollout {rollouts[0]}"
        return one if total == 1 else f"all {total} devices of {name} now belong to rollout {rollouts[0]}"
    parts = [f"{holders[rollout]} to rollout {rollout}" for rollout in rollouts]
    parts += [f"{holders[NOBODY]} had their order ended"] if NOBODY in holders else []
    return f"all {total} devices of {name} are out of its reach: {', '.join(parts)}"
