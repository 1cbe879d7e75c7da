"""When each phase of a plan could end at the earliest: its bakes, and the hours in which devices may work. Pure.

Promises: no phase ends before; everyone of a phase is thought awake and infinitely fast, so what is left is the clock:
start, freezes, windows to download and to switch in the zone of each site, over its clock changes, and bakes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from surefoot_server.rollouts.planner import Plan
from surefoot_server.rollouts.policy import Policy
from surefoot_server.rollouts.windows import Freeze, Window, intervals


def begins(policy: Policy, now: datetime) -> datetime:
    """When the rollout would begin, if it were started now and everybody asked said yes at once."""
    return now if policy.start_at is None else max(now, policy.start_at)


def ends(policy: Policy, plan: Plan, now: datetime) -> list[datetime | None]:
    """For each phase the moment before which it cannot have passed; None where nobody is in it."""
    at, found = begins(policy, now), list[datetime | None]()
    for phase in plan.phases:
        if not phase.members:
            found.append(None)
            continue
        at = _done(policy, {member.zone for member in phase.members}, at) + timedelta(seconds=phase.bake_s)
        found.append(at)
    return found


def _done(policy: Policy, zones: Iterable[str], at: datetime) -> datetime:
    """When the last zone has had its hours to begin in, to download in and to switch in."""
    limits = policy.limits

    def one(zone: str) -> datetime:
        offered = _opens(None, limits.freeze, zone, at)
        fetched = _opens(limits.download_window, (), zone, offered)
        return _opens(limits.window, limits.freeze, zone, fetched)

    return max(one(zone) for zone in zones)


def _opens(window: Window | None, freezes: tuple[Freeze, ...], zone: str, at: datetime) -> datetime:
    """The first moment from `at` on at which it is open; as far as windows are told ahead."""
    spans = intervals(window, freezes, zone, at)
    return next((max(start, at) for start, end in spans if end > at), at)
