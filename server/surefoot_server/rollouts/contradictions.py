"""What a policy asks for that cannot be, or that few mean: sentences for the plan, each with its line and field.

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
from surefoot_server.rollouts.gate import Gate, Objective
from surefoot_server.rollouts.judge import TRIPWIRE_UP_TO, bears_one_from, clean_devices, trip_count
from surefoot_server.rollouts.policy import Policy

Step = str | int
Found = tuple[tuple[Step, ...], str]
"""Where in the document, and what is the matter with it."""


def contradictions(
    text: str, policy: Policy, sizes: Sequence[int], people: Mapping[Role, int], now: datetime, soak_s: float = 0.0
) -> list[str]:
    """One sentence each. `sizes`: devices of each phase. `people`: how many can give an approval of a role. `soak_s`:
    how long the release runs on a device after the switch before it may commit.
    """
    root = document.parse(text)
    found = [*_objectives(policy, sizes), *_times(policy), *_hours(policy, now, soak_s), *_approvals(policy, people)]
    found += [said for each in policy.gate.objectives for said in _counts(policy, each, sizes)]
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


def _counts(policy: Policy, objective: Objective, sizes: Sequence[int]) -> Iterator[Found]:
    """Where one device is enough although a rate is given, and a tripwire that nothing reaches."""
    path, limit, wire = (
        ("gate", "objectives", objective.metric.value),
        objective.fail_if_surely_above,
        objective.tripwire,
    )
    if objective.dry_run or objective in Gate().objectives:  # what nobody chose is not misread by anybody
        return
    told = {p.name: (n, trip_count(n, objective)) for p, n in zip(policy.phases, sizes, strict=True) if n > 1}
    at_once = [f"{name} ({n})" for name, (n, trips) in told.items() if trips == 1]
    if limit and wire != 1 and at_once:
        bears = bears_one_from(limit, objective.confidence)
        said = f"the first device that {objective.metric.value} fails {', '.join(at_once)}"
        yield path, f"{said}: of so few one is surely above {limit:.1%}, and from {bears} devices on a phase bears one"
    served = {name: (n, trips) for name, (n, trips) in told.items() if n <= TRIPWIRE_UP_TO}
    if wire is None or limit is None or wire == 1:
        return
    if told and not served:
        yield path, f"its tripwire of {wire} serves phases of at most {TRIPWIRE_UP_TO} devices, and all are larger"
    elif served and all(trips is not None and trips < wire for _, trips in served.values()):
        most = max(trips or 0 for _, trips in served.values())
        yield (
            path,
            f"its tripwire of {wire} is never reached: the rate fails every phase that it serves at {most} or fewer",
        )


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


def _hours(policy: Policy, now: datetime, soak_s: float) -> Iterator[Found]:
    limits = policy.limits
    open_s = _longest_s(limits.window, limits.freeze, now)
    if open_s is not None and 0 < open_s < soak_s:
        said = f"it is open for {open_s / 60:g} min at a time, and the release soaks for {soak_s / 60:g} min"
        yield ("limits", "window"), f"{said}: no device that switches is proved before it closes"
    fetch_s, step_s = _longest_s(limits.download_window, (), now), policy.timeouts.step_s
    if fetch_s is not None and fetch_s < step_s:
        said = f"it is open for {fetch_s / 60:g} min at a time, and timeouts.step is {step_s / 60:g} min"
        yield ("limits", "download_window"), f"{said}: a device whose download gets nowhere is never ended by it"
    for name, window, freezes in (
        ("window", limits.window, limits.freeze),
        ("download_window", limits.download_window, ()),
    ):
        found = windows.intervals(window, freezes, "UTC", now)
        if found and all(start >= now + windows.HORIZON - windows.MINUTE for start, _ in found):
            days = windows.HORIZON.days
            yield ("limits", "freeze" if freezes else name), f"it leaves no hour to switch in within {days} days"


def _longest_s(window: windows.Window | None, freezes: tuple[windows.Freeze, ...], now: datetime) -> float | None:
    """The longest that it is open at a time, None where there is no window; 0 where it never opens."""
    if window is None:
        return None
    found = windows.intervals(window, freezes, "UTC", now)
    until = now + windows.HORIZON - windows.MINUTE
    return max(((end - start).total_seconds() for start, end in found if start < until), default=0.0)


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
