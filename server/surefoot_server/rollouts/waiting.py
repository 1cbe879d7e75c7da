"""What a phase waits for while it waits, in one clause with its numbers and its end. Pure.

Promises: the same finding and the same clock as the engine's own, so what is said here is what the engine will do.
"""

from __future__ import annotations

from datetime import timedelta

from surefoot_server.rollouts.engine import finding
from surefoot_server.rollouts.facts import Watch
from surefoot_server.rollouts.policy import Policy
from surefoot_shared.status import PhaseState, RolloutState


def bake_left_s(policy: Policy, watch: Watch, index: int) -> float:
    """Seconds until the bake is over; 0 from then on, also while reports are missing."""
    baking_at = watch.facts.phases[index].baking_at
    baked_s = 0.0 if baking_at is None else watch.facts.outages.elapsed_s(baking_at, watch.now)
    return max(0.0, policy.phases[index].bake_s - baked_s)


def waits_for(policy: Policy, watch: Watch, index: int) -> str:
    """Reports or samples that are missing after the bake, and until when; empty where the phase waits for neither."""
    if watch.facts.state is not RolloutState.RUNNING or index != watch.facts.phase:
        return ""
    phase = watch.facts.phases[index]
    if phase.state is not PhaseState.BAKING or bake_left_s(policy, watch, index) > 0:
        return ""
    found = finding(policy, watch, index)
    # A look is read by the shell alone; who asks without one sees a phase that has its reports and is not decided yet.
    samples = bool(policy.gate.metrics) and not found.wait
    if not (found.wait or samples) or phase.waiting_since is None:
        return ""
    left_s = max(0.0, policy.gate.max_wait_s - watch.facts.outages.elapsed_s(phase.waiting_since, watch.now))
    until = watch.now + timedelta(seconds=left_s)
    if samples:
        named = ", ".join(sorted({objective.metric for objective in policy.gate.metrics}))
        return f"the bake is over and it waits for samples of {named} until {until:%Y-%m-%d %H:%M} UTC"
    counts = found.counts
    said = f"{counts.reported} of {counts.due} due devices reported, at least {found.needed} needed"
    return f"the bake is over and it waits for reports until {until:%Y-%m-%d %H:%M} UTC: {said}"
