"""A rollout in words and as a tree, for a terminal; pure: a value in, lines out.

Promises: the states are the words of the API, never a colour or a symbol alone; what to do next is a command to copy.
"""

from __future__ import annotations

from collections.abc import Sequence

from surefoot_server.cli.shown import Member, Phase, Plan, PlannedPhase, Rollout, span, when
from surefoot_server.cli.terminal import columns, count, facts

SYMBOLS = {
    "passed": "✔",
    "failed": "✖",
    "held": "⏸",
    "offering": "▶",
    "baking": "◷",
    "pending": "·",
    "awaiting_approval": "?",
}
NEXT = {
    "running": ("pause", "halt"),
    "paused": ("resume", "halt"),
    "awaiting_approval": ("approve", "reject"),
    "held": ("approve", "reject", "resume", "halt", "revert"),
    "halted": ("resume", "revert", "cancel"),
}
"""What an operator most likely wants next; the API's list of acts decides whether it is possible."""
HELD_UP_LINES = 5
"""More are for the console; the first few say what is wrong with most."""
STRATEGIES = {
    "canary": "canary: a few first, and more as each phase passes",
    "rolling": "rolling: a number at a time, until everyone has it",
    "blue-green": "blue-green: everyone of a phase stages it, then all switch together",
    "recreate": "recreate: who has no room for two releases gives up the old one first",
    "shadow": "shadow: it runs beside the live release and is compared; nothing switches",
}
ENDED_WELL = ("committed",)


def tree(rollout: Rollout) -> list[str]:
    """A block of facts, then the phases under their rollout."""
    block = facts(
        [
            ("Rollout", f"{rollout.id}, by {rollout.created_by}"),
            ("Release", f"{' + '.join((rollout.release, *rollout.also))} → {rollout.cohort}"),
            ("State", rollout.state + (" (the release is on the halt list)" if rollout.halted else "")),
            ("Reason", rollout.reason),
            ("Devices", devices(rollout)),
            ("Next", following(rollout)),
        ]
    )
    last = len(rollout.phases) - 1
    rows = [
        ("└─" if i == last else "├─", f"{SYMBOLS.get(p.state, '?')} {p.name}", p.state, progress(p), note(p))
        for i, p in enumerate(rollout.phases)
    ]
    return [*block.splitlines(), "", f"{rollout.id} {rollout.state}", *columns(("",) * 5, rows).splitlines()[1:]]


def holding_up(rollout: Rollout, members: Sequence[Member]) -> list[str]:
    """The devices of the phases so far without an outcome, in a few lines: id, state, reason."""
    late = [m for m in members if m.standing == "member" and m.outcome is None and (m.phase or 0) <= rollout.phase]
    if not late:
        return []
    kept = late if len(late) <= HELD_UP_LINES else late[: HELD_UP_LINES - 1]
    rows = [(m.device, m.state or "not offered yet", m.message or m.reason or "") for m in kept]
    more = [f"and {count(len(late) - len(kept), 'device')} more"] if len(late) > len(kept) else []
    return ["", "Waits for", *columns(("",) * 3, rows).splitlines()[1:], *more]


def sentence(rollout: Rollout) -> str:
    """The state in one line, for logs: it changes exactly when something worth a line happened."""
    said = f"{rollout.id} {rollout.state}: {devices(rollout)}"
    if rollout.ended or rollout.state in ("held", "halted", "paused"):
        return f"{said}; {rollout.reason}"
    if rollout.phase < len(rollout.phases):
        phase = rollout.phases[rollout.phase]
        return f"{said}; {phase.name} {phase.state}, {progress(phase)}"
    return said


def devices(rollout: Rollout) -> str:
    others = {name: n for name, n in sorted(rollout.outcomes.items()) if name not in ENDED_WELL}
    parts = [f"{rollout.committed} of {rollout.members} committed"]
    parts += [f"{n} {name}" for name, n in others.items()]
    parts += [f"{n} {name}" for name, n in (("at work", rollout.busy), ("waiting", rollout.waiting)) if n]
    parts += [f"{rollout.taken_back} taken back"] if rollout.taken_back else []
    aside = [f"{rollout.satisfied} already ran it"] if rollout.satisfied else []
    aside += [f"{rollout.excluded} left out"] if rollout.excluded else []
    return ", ".join(parts) + (f" ({', '.join(aside)})" if aside else "")


def progress(phase: Phase) -> str:
    done = phase.outcomes.get("committed", 0)
    bad = [f"{n} {name}" for name, n in sorted(phase.outcomes.items()) if name not in ENDED_WELL]
    asleep = [f"{phase.asleep} asleep"] if phase.asleep else []
    staged = [f"{phase.staged} staged"] if phase.staged else []
    return ", ".join([f"{done} of {phase.members} committed", *staged, *bad, *asleep])


def note(phase: Phase) -> str:
    if phase.state == "baking" and phase.bake_left_s is not None:
        return f"bakes for {span(phase.bake_left_s)} more"
    if phase.state == "pending":
        return f"{phase.selector}, bakes {span(phase.bake_s)}"
    return f"{phase.verdict}: {phase.reason}" if phase.verdict else phase.reason


def following(rollout: Rollout) -> str:
    """Commands that make sense now, to be copied."""
    wanted: Sequence[str] = NEXT.get(rollout.state, ())
    if rollout.ended and rollout.committed > rollout.taken_back:
        wanted = ("revert",)
    return "   |   ".join(f"surefoot rollout {act} {rollout.id}" for act in wanted if act in rollout.acts)


def plan_text(plan: Plan) -> str:
    """Who, in which order, what stops it, and who is left out and why."""
    rows = [(p.name, _who(p), len(p.members), _hardware(p.members), span(p.bake_s), *_outlook(p)) for p in plan.phases]
    back = "go back" if plan.on_fail_committed_devices == "revert" else "keep it"
    halt = "it is halted everywhere, " if plan.on_fail_halt else ""
    block = facts(
        [
            ("Release", f"{' + '.join((plan.release, *plan.also))} → {plan.cohort}"),
            ("Devices", ", ".join([str(plan.total), *(plan.limits or [f"at most {plan.max_concurrent} at a time"])])),
            ("Strategy", STRATEGIES.get(plan.strategy, plan.strategy)),
            ("Takes", _takes(plan)),
            ("If it fails", f"{halt}devices that committed {back}"),
            ("Already there", count(len(plan.satisfied), "device") if plan.satisfied else ""),
            *(("Know that", warning) for warning in plan.warnings),
            *(("Contradiction", each) for each in plan.contradictions),
        ]
    )
    table = columns(("PHASE", "WHO", "DEVICES", "HARDWARE", "BAKES", "ENDS AFTER", "FAILS AT"), rows)
    out = columns(("LEFT OUT", "HARDWARE", "WHY"), [(e.device, e.hw, e.reason) for e in plan.excluded])
    return "\n\n".join([block, table, *([out] if plan.excluded else [])])


def _takes(plan: Plan) -> str:
    """Bakes, and the hours that policy and sites are closed; what devices take is not in it."""
    bakes_s = sum(phase.bake_s for phase in plan.phases if phase.members)
    ends = [phase.ends_at for phase in plan.phases if phase.ends_at]
    if plan.at_least_s <= bakes_s or not ends:
        return f"{span(plan.at_least_s)} of baking, and what the devices need"
    return f"{span(plan.at_least_s)} of baking and closed hours, to {when(ends[-1])}, and what the devices need"


def _who(phase: PlannedPhase) -> str:
    return f"{phase.selector}, needs {phase.waits_for}" if phase.waits_for else phase.selector


def _outlook(phase: PlannedPhase) -> tuple[str, str]:
    """The earliest end, counted from the start of the rollout, and what fails it; nothing where nobody is in it."""
    if not phase.members:
        return "", ""
    return "" if phase.ends_after_s is None else span(phase.ends_after_s), _trips(phase.trips)


def _hardware(members: Sequence[object]) -> str:
    found: dict[str, int] = {}
    for member in members:
        hw = str(getattr(member, "hw", ""))
        found[hw] = found.get(hw, 0) + 1
    return ", ".join(f"{n} {hw}" for hw, n in sorted(found.items())) or "nobody: passed at once"


def _trips(trips: object) -> str:
    assert isinstance(trips, dict)
    return ", ".join(f"{n} {metric}" for metric, n in trips.items() if n is not None) or "no count"
