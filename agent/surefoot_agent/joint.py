"""Components that are activated as one or not at all: what each member of a set waits for, and when all go back.

Promises: pure. All are staged before one is armed, all are armed before one is switched, they are switched in the order
that was signed, none is committed before all have proved themselves, and where one fails none goes on. That none is
left behind after a crash is the one verdict of the set (`guard.decide_set`), not this: these moves only bring it about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from surefoot_agent.wishes import Refusal, Wish
from surefoot_shared.status import BEFORE_ARMED, AttemptState, Outcome

S = AttemptState
TRIED = frozenset({S.ARMED, S.SWITCHING, S.PROBATION})
"""On trial: the set's verdict can still go either way."""
BACK = frozenset({S.CLEANING, S.REVERTING, S.RESCUE})
"""A member in one of these will not run its new release."""


class Gate(str, Enum):
    """Where a member of a set waits for the others."""

    HELD = "held"
    """Staged, and something holds this member back: a window, a lock."""
    TURN = "turn"
    """Staged, and its turn came."""
    SWITCH = "switch"
    COMMIT = "commit"
    REVERT = "revert"


class Move(str, Enum):
    """What a member does now."""

    PASS = "pass"
    BREAK = "break"
    """Give up, or go back: another member did."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member as it stands. `state` is None until its assignment is under way; `outcome` is how it ended."""

    component: str
    state: AttemptState | None
    gate: Gate | None = None
    outcome: Outcome | None = None
    retries: int = 0


def moves(members: Sequence[Member]) -> Mapping[str, Move]:
    """Return who moves, of one set; `members` are in the order in which they are started."""
    if any(_is_out(member) for member in members):
        return _out(members)
    return {m.component: Move.PASS for i, m in enumerate(members) if _may_pass(m, members, members[:i])}


def together(wishes: Sequence[Wish]) -> tuple[tuple[Wish, ...], tuple[Refusal, ...]]:
    """Split verified wishes into those that may be followed and refusals: of an incomplete set no member is taken."""
    sets: dict[str, dict[str, Wish]] = defaultdict(dict)
    for wish in wishes:
        if wish.joint is not None:
            sets[wish.joint.id][wish.component] = wish
    whole = {name for name, found in sets.items() if _is_whole(found)}
    message = "The other members of its set are not assigned to this device as it says."
    parted = [wish for wish in wishes if wish.joint is not None and wish.joint.id not in whole]
    refusals = [
        Refusal(wish.assignment, wish.component, wish.seq, "set_incomplete", message, root=wish.root) for wish in parted
    ]
    return tuple(wish for wish in wishes if wish not in parted), tuple(refusals)


def _is_whole(found: Mapping[str, Wish]) -> bool:
    """Every member that is signed is there with the digest that is signed, no other is, and all say the same."""
    said = {wish.joint.members for wish in found.values() if wish.joint is not None}
    return len(said) == 1 and dict(next(iter(said))) == {name: wish.digest for name, wish in found.items()}


def _is_out(member: Member) -> bool:
    return member.state in BACK or member.outcome not in (None, Outcome.COMMITTED)


def _out(members: Sequence[Member]) -> Mapping[str, Move]:
    """Nobody goes on; those on the way back walk it last started first, and wait for none that failed to."""
    broken = {m.component: Move.BREAK for m in members if m.state in BEFORE_ARMED or m.state in TRIED}
    going = {}
    for i, member in enumerate(members):
        waits = [m for m in members[i + 1 :] if m.state in TRIED or (m.state is S.REVERTING and not m.retries)]
        if member.gate is Gate.REVERT and not waits:
            going[member.component] = Move.PASS
    return {**broken, **going}


def _may_pass(member: Member, members: Sequence[Member], earlier: Sequence[Member]) -> bool:
    match member.gate:
        case Gate.HELD:  # it was this one's turn when the first was armed: the set does not stop half-way
            return any(m.state in TRIED for m in members)
        case Gate.TURN:
            return all(m.gate is Gate.TURN or m.state in TRIED or _done(m) for m in members)
        case Gate.SWITCH:
            flipped = all(m.state in (S.SWITCHING, S.PROBATION) or _done(m) for m in members)
            return flipped and all(m.state is S.PROBATION or _done(m) for m in earlier)
        case Gate.COMMIT:
            return all(m.gate is Gate.COMMIT or _done(m) for m in members)
        case Gate.REVERT:
            return True  # alone on its way back: the set was committed, which its next step finds out
        case None:
            return False


def _done(member: Member) -> bool:
    """It stands on its new release, whatever comes."""
    return member.state is S.COMMITTING or member.outcome is Outcome.COMMITTED
