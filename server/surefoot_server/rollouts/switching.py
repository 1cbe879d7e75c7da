"""Which devices may switch now: the budgets of the fleet and of each site, the hours, and switching together. Pure.

Promises: never more devices unavailable than the limits say, where a device counts from the order to switch until its
outcome, asleep or not, and a lost one until it is back; going back waits for no window and no freeze. A phase that
switches together does so once everyone awake has it staged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from surefoot_server.rollouts.decisions import Activate, Renew, SwitchTogether
from surefoot_server.rollouts.facts import AttemptFact, MemberFact, Watch
from surefoot_server.rollouts.policy import Policy
from surefoot_server.rollouts.strategy import Strategy
from surefoot_server.rollouts.windows import intervals, open_since
from surefoot_shared.status import BEFORE_ARMED, AttemptState, Outcome

RENEW_BEFORE = timedelta(days=10)
"""A device is told its next windows this long before the last one ends: it may sleep meanwhile."""


@dataclass(slots=True)
class Room:
    """How many are unavailable, and whether one more may be; `take` counts it."""

    policy: Policy
    total: int = 0
    sites: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    """Of those at each site: gone, perhaps for good."""
    going_back: bool = False
    """Lost devices that fill a limit leave room for one: else nobody would ever go back."""

    def full(self, member: MemberFact) -> str:
        """Why there is no room for this device, "" where there is."""
        limits = self.policy.limits
        if self._over(limits.max_unavailable, self.total, sum(self.lost.values())):
            return f"{_devices(self.total)} unavailable and the limit is {limits.max_unavailable}"
        here = self.sites[member.site]
        if self._over(limits.per_site_unavailable, here, self.lost[member.site]):
            at = f"at {member.site}" if member.site else "without a site"
            return f"{_devices(here)} unavailable {at} and the limit is {limits.per_site_unavailable}"
        return ""

    def take(self, member: MemberFact, *, lost: bool = False) -> None:
        self.total += 1
        self.sites[member.site] += 1
        self.lost[member.site] += lost

    def _over(self, limit: int | None, count: int, lost: int) -> bool:
        if limit is None:
            return False
        return count >= (max(limit, lost + 1) if self.going_back else limit)


def room(policy: Policy, watch: Watch, *, going_back: bool = False) -> Room:
    """Count who is unavailable now."""
    counted = Room(policy, going_back=going_back)
    for member in watch.facts.members:
        order = member.revert or member.attempt
        if order is not None and _unavailable(order):
            counted.take(member, lost=order.outcome is Outcome.LOST)
    return counted


def at_work(policy: Policy, watch: Watch) -> int:
    """Devices that use up max_concurrent; those that wait to switch together do not, or they never would."""
    return watch.at_work(staged=policy.strategy is not Strategy.BLUE_GREEN)


def offers_activated(policy: Policy, watch: Watch, index: int) -> bool:
    """Whether a device that is offered the release now may switch without a further order."""
    together = policy.strategy is Strategy.BLUE_GREEN and watch.facts.phases[index].activated_at is not None
    return together or not policy.orders_switch


def together(policy: Policy, watch: Watch, index: int) -> Iterator[SwitchTogether]:
    """Once nobody awake is before its staging any more; who sleeps stages and switches when it wakes."""
    if policy.strategy is not Strategy.BLUE_GREEN or watch.facts.phases[index].activated_at is not None:
        return
    busy = [m.attempt for m in watch.facts.members if watch.busy(m, m.attempt)]
    staged = [a for a in busy if a is not None and a.staged]
    if staged and len(staged) == len(busy):
        yield SwitchTogether(index, f"all {len(staged)} devices that are awake and did not fail have it staged")


def activations(policy: Policy, watch: Watch, index: int) -> Iterator[Activate]:
    """Orders to switch for those that staged the release, as far as there is room and it is their hour."""
    if policy.strategy is Strategy.BLUE_GREEN and watch.facts.phases[index].activated_at is None:
        return
    if policy.shadow is not None:
        return
    free = room(policy, watch)
    for member in watch.facts.members:
        attempt = member.attempt
        if attempt is None or not attempt.ready or _closed(policy, watch, member) or free.full(member):
            continue
        if policy.strategy is Strategy.BLUE_GREEN or member.online:
            free.take(member)
            yield Activate(member.device, "its turn to switch came")


def activations_back(policy: Policy, watch: Watch) -> Iterator[Activate]:
    """The same for those that go back; no window and no freeze holds them."""
    free = room(policy, watch, going_back=True)
    for member in watch.facts.members:
        if member.revert is not None and member.revert.ready and member.online and not free.full(member):
            free.take(member)
            yield Activate(member.device, "its turn to go back came", "revert")


def renewals(policy: Policy, watch: Watch) -> Iterator[Renew]:
    """Whoever still waits to switch is told its next windows in time."""
    for member in watch.facts.members:
        attempt = member.attempt
        if attempt is None or attempt.outcome is not None or attempt.state not in BEFORE_ARMED:
            continue
        if attempt.windows_until is not None and _runs_out(policy, member, attempt.windows_until, watch.now):
            yield Renew(member.device, f"its last window ends {attempt.windows_until:%Y-%m-%d %H:%M} UTC")


def _runs_out(policy: Policy, member: MemberFact, until: datetime, now: datetime) -> bool:
    """Many hours a day fill what a device is told before RENEW_BEFORE: then half of that is early enough."""
    limits = policy.limits
    told = intervals(limits.window, limits.freeze, member.zone, now)
    ahead = told[-1][1] - now if told else RENEW_BEFORE * 2
    return until - now < min(RENEW_BEFORE, ahead / 2)


def only_hours_hinder(policy: Policy, watch: Watch) -> bool:
    """Whether everyone still at it has it staged and waits for its window: that is no reason to give up on a phase."""
    busy = [(m, m.attempt) for m in watch.facts.members if watch.busy(m, m.attempt)]
    return bool(busy) and all(
        a is not None and (a.state is AttemptState.STAGED or a.full) and _shut(policy, watch, m) for m, a in busy
    )


def frozen(policy: Policy, member: MemberFact, now: datetime) -> bool:
    return open_since(None, policy.limits.freeze, member.zone, now) is None


def may_fetch_since(policy: Policy, member: MemberFact, now: datetime) -> datetime | None:
    """Since when the device may download without a break; None while its window is closed."""
    return open_since(policy.limits.download_window, (), member.zone, now)


def why_staged(policy: Policy, watch: Watch, index: int, member: MemberFact) -> str:
    """What a device that staged the release waits for, as a clause."""
    if policy.shadow is not None:
        return policy.shadow.words
    if policy.strategy is Strategy.BLUE_GREEN and watch.facts.phases[index].activated_at is None:
        behind = sum(1 for m in watch.facts.members if watch.busy(m, m.attempt) and m.attempt and not m.attempt.staged)
        return f"all devices of its phase switch together, and {_devices(behind)} not that far"
    if _closed(policy, watch, member):
        window = policy.limits.window
        return f"its window is closed ({window.text})" if window else "nothing changes in these days (freeze)"
    return room(policy, watch).full(member) or "its turn comes with the next look"


def _closed(policy: Policy, watch: Watch, member: MemberFact) -> bool:
    """Whether the order to switch must wait; where all switch together each device minds its own window."""
    return policy.strategy is not Strategy.BLUE_GREEN and _shut(policy, watch, member)


def _shut(policy: Policy, watch: Watch, member: MemberFact) -> bool:
    return open_since(policy.limits.window, policy.limits.freeze, member.zone, watch.now) is None


def _unavailable(order: AttemptFact) -> bool:
    if order.outcome is not None:
        return order.outcome is Outcome.LOST
    return order.past_the_switch or order.activate


def _devices(count: int) -> str:
    return "1 device is" if count == 1 else f"{count} devices are"
