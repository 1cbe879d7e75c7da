"""What a policy asks for that cannot be, or that nobody means: sentences for the plan, each with its line and field.

Promises: pure; every sentence is about this policy and these phases, and rests on the arithmetic that the engine itself
uses. Refuses to refuse: a contradiction may be wanted for a test, so the plan tells and the start goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from surefoot_server.access.roles import Role
from surefoot_server.rollouts import document, windows
from surefoot_server.rollouts.approvals import Approval
from surefoot_server.rollouts.document import Field
from surefoot_server.rollouts.judge import clean_devices, trip_count
from surefoot_server.rollouts.policy import Policy

Step = str | int
Found = tuple[tuple[Step, ...], str]
"""Where in the document, and what is the matter with it."""


def contradictions(
    text: str, policy: Policy, sizes: Sequence[int], people: Mapping[Role, int], now: datetime
) -> list[str]:
    """One sentence each. `sizes`: devices of each phase. `people`: how many can give an approval of a role."""
    found = [*_objectives(policy, sizes), *_times(policy), *_hours(policy, now), *_approvals(policy, people)]
    root = document.parse(text)
    return [_place(root, path).wrong(said).message.removeprefix("The policy: ") for path, said in found]


def _objectives(policy: Policy, sizes: Sequence[int]) -> Iterator[Found]:
    for objective in policy.gate.objectives:
        path = ("gate", "objectives", objective.metric.value)
        given = objective.fail_if_surely_above is not None or objective.tripwire is not None
        if given and not objective.dry_run and sizes and all(trip_count(n, objective) is None for n in sizes):
            yield (
                path,
                f"no number of devices that {objective.metric.value} fails a phase; the largest has {max(sizes)}",
            )
        needed = clean_devices(objective)
        for phase, size in zip(policy.phases, sizes, strict=True):
            if needed is not None and not objective.dry_run and 0 < size < needed:
                yield path, f"{phase.name} can never pass: {needed} devices prove it, and it has {size}"


def _times(policy: Policy) -> Iterator[Found]:
    late = policy.triggers.not_passed
    for index, phase in enumerate(policy.phases):
        path = ("phases", index, "bake")
        if late is not None and late.within_s <= phase.bake_s:
            said = f"{phase.name} bakes for {phase.bake_s:g} s, and triggers.not_passed comes after {late.within_s:g} s"
            yield path, said
        if policy.gate.max_wait_s < phase.bake_s:
            wait = f"gate.max_wait is {policy.gate.max_wait_s:g} s"
            yield path, f"{phase.name} bakes for {phase.bake_s:g} s, and {wait}: nobody is waited for after the bake"


def _hours(policy: Policy, now: datetime) -> Iterator[Found]:
    limits = policy.limits
    for name, window, freezes in (
        ("window", limits.window, limits.freeze),
        ("download_window", limits.download_window, ()),
    ):
        found = windows.intervals(window, freezes, "UTC", now)
        if found and all(start >= now + windows.HORIZON - windows.MINUTE for start, _ in found):
            days = windows.HORIZON.days
            yield ("limits", "freeze" if freezes else name), f"it leaves no hour to switch in within {days} days"


def _approvals(policy: Policy, people: Mapping[Role, int]) -> Iterator[Found]:
    asked: list[tuple[tuple[Step, ...], Approval | None]] = [(("rollout", "approval"), policy.approval)]
    asked += [(("phases", index, "approval"), phase.approval) for index, phase in enumerate(policy.phases)]
    for path, approval in asked:
        if approval is not None and (there := people.get(approval.by, 0)) <= approval.count:
            who = f"{there} can give one today, of whom whoever starts the rollout cannot"
            yield path, f"it waits for {approval.words}, and {who}"


def _place(root: Field, path: Sequence[Step]) -> Field:
    """The field, or what of the way to it is there; an objective is found by its metric."""
    at = root
    for step in path:
        if at.absent or at.single:
            break
        if isinstance(step, int):
            listed = list(at.items())
            following = listed[step] if step < len(listed) else None
        elif path[-2:] == ("objectives", step):
            following = next((item for item in at.items() if item.peek("metric") == step), None)
        else:
            following = dict(at.entries()).get(step)
        if following is None:
            break
        at = following
    return at
