"""What may follow what: the state tables of a rollout and of a phase, and the pictures drawn from them.

Promises: a change of state that is not listed here does not happen; the operator's acts and the engine's events are in
one table, so a person and the engine cannot disagree about what is possible. Source: DESIGN §8.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

from surefoot_shared.errors import Conflict
from surefoot_shared.status import PhaseState as P
from surefoot_shared.status import RolloutState as R


class RolloutEvent(str, Enum):
    """Acts of a person and events of the engine; `revert` is both: an act, and what a failed phase may lead to."""

    ASK = "ask"
    """People must approve it before it begins."""
    APPROVE = "approve"
    """The last approval that was needed."""
    REJECT = "reject"
    SCHEDULE = "schedule"
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    HOLD = "hold"
    HALT = "halt"
    REVERT = "revert"
    FAIL = "fail"
    REVERTED = "reverted"
    FINISH = "finish"
    RETRY = "retry"
    """Devices whose attempt failed have their turn again."""
    CANCEL = "cancel"


class PhaseEvent(str, Enum):
    ASK = "ask"
    START = "start"
    COLLAPSE = "collapse"
    """Nobody is in the phase, or all of it was taken over: it is passed visibly, not skipped silently."""
    BAKE = "bake"
    PASS = "pass"
    FAIL = "fail"
    HOLD = "hold"
    RESUME = "resume"


E, F = RolloutEvent, PhaseEvent

# fmt: off
ROLLOUT: Mapping[tuple[R, RolloutEvent], R] = {
    (R.DRAFT,     E.ASK):      R.AWAITING_APPROVAL,
    (R.DRAFT,     E.SCHEDULE): R.SCHEDULED,
    (R.DRAFT,     E.START):    R.RUNNING,
    (R.DRAFT,     E.CANCEL):   R.CANCELLED,
    (R.AWAITING_APPROVAL, E.APPROVE): R.SCHEDULED,
    (R.AWAITING_APPROVAL, E.REJECT):  R.CANCELLED,
    (R.AWAITING_APPROVAL, E.CANCEL):  R.CANCELLED,
    (R.SCHEDULED, E.START):    R.RUNNING,
    (R.SCHEDULED, E.CANCEL):   R.CANCELLED,
    (R.RUNNING,   E.PAUSE):    R.PAUSED,
    (R.RUNNING,   E.HOLD):     R.HELD,
    (R.RUNNING,   E.HALT):     R.HALTED,
    (R.RUNNING,   E.FAIL):     R.FAILED,
    (R.RUNNING,   E.REVERT):   R.REVERTING,
    (R.RUNNING,   E.FINISH):   R.SUCCEEDED,
    (R.RUNNING,   E.RETRY):    R.RUNNING,
    (R.RUNNING,   E.CANCEL):   R.CANCELLED,
    (R.PAUSED,    E.RESUME):   R.RUNNING,
    (R.PAUSED,    E.RETRY):    R.PAUSED,
    (R.PAUSED,    E.HALT):     R.HALTED,
    (R.PAUSED,    E.FAIL):     R.FAILED,     # a pause does not hide fresh failures
    (R.PAUSED,    E.REVERT):   R.REVERTING,
    (R.PAUSED,    E.CANCEL):   R.CANCELLED,
    (R.HELD,      E.APPROVE):  R.RUNNING,
    (R.HELD,      E.REJECT):   R.CANCELLED,
    (R.HELD,      E.RESUME):   R.RUNNING,    # a phase that awaits approval holds it again at once
    (R.HELD,      E.RETRY):    R.RUNNING,
    (R.HELD,      E.HALT):     R.HALTED,
    (R.HELD,      E.FAIL):     R.FAILED,     # nor does a person's thinking time
    (R.HELD,      E.REVERT):   R.REVERTING,
    (R.HELD,      E.CANCEL):   R.CANCELLED,
    (R.HALTED,    E.RESUME):   R.RUNNING,
    (R.HALTED,    E.REVERT):   R.REVERTING,
    (R.HALTED,    E.CANCEL):   R.CANCELLED,
    (R.REVERTING, E.RESUME):   R.REVERTING,  # where too many could not go back, and it was held for a person
    (R.REVERTING, E.REVERTED): R.FAILED,     # a release that had to be taken back has failed
    (R.SUCCEEDED, E.HALT):     R.HALTED,     # found bad later: those still asleep must not get it
    (R.SUCCEEDED, E.RETRY):    R.SUCCEEDED,
    (R.SUCCEEDED, E.REVERT):   R.REVERTING,
    (R.FAILED,    E.REVERT):   R.REVERTING,  # those that were kept at first
    (R.CANCELLED, E.REVERT):   R.REVERTING,
}

PHASE: Mapping[tuple[P, PhaseEvent], P] = {
    (P.PENDING,  F.START):    P.OFFERING,
    (P.PENDING,  F.COLLAPSE): P.PASSED,
    (P.PENDING,  F.ASK):      P.AWAITING_APPROVAL,
    (P.AWAITING_APPROVAL, F.START): P.OFFERING,
    (P.AWAITING_APPROVAL, F.FAIL):  P.FAILED,    # those before it went bad while people thought
    (P.OFFERING, F.COLLAPSE): P.PASSED,     # others took it over whole, and an earlier phase has passed
    (P.OFFERING, F.BAKE):     P.BAKING,
    (P.OFFERING, F.FAIL):     P.FAILED,
    (P.OFFERING, F.HOLD):     P.HELD,
    (P.BAKING,   F.PASS):     P.PASSED,
    (P.BAKING,   F.FAIL):     P.FAILED,
    (P.BAKING,   F.HOLD):     P.HELD,
    (P.HELD,     F.RESUME):   P.OFFERING,    # and on to baking at once where all have ended; its clock went on
    (P.HELD,     F.FAIL):     P.FAILED,
}
# fmt: on

State = TypeVar("State", bound=Enum)
Event = TypeVar("Event", bound=Enum)


def next_rollout(state: R, event: RolloutEvent) -> R:
    """Return the state that follows, or raise Conflict naming the state and what is possible in it."""
    found = ROLLOUT.get((state, event))
    if found is None:
        possible = ", ".join(e.value for s, e in ROLLOUT if s is state and e in ACTS) or "nothing"
        raise Conflict(
            "conflict", f"A rollout that is {state.value} cannot {event.value}.", f"Possible now: {possible}."
        )
    return found


def next_phase(state: P, event: PhaseEvent) -> P:
    """Return the state that follows; a pair outside the table is a bug and raises KeyError."""
    return PHASE[(state, event)]


ACTS = frozenset({E.APPROVE, E.REJECT, E.PAUSE, E.RESUME, E.HALT, E.REVERT, E.RETRY, E.CANCEL})
"""What a person may do to a rollout that exists."""


def acts_in(state: R) -> tuple[RolloutEvent, ...]:
    """The acts that a person may do in this state, in the table's order."""
    return tuple(event for (at, event) in ROLLOUT if at is state and event in ACTS)


def to_mermaid(table: Mapping[tuple[State, Event], State]) -> str:
    """Draw a table as a mermaid state diagram; parallel edges are joined."""
    edges: dict[tuple[str, str], list[str]] = {}
    for (state, event), following in table.items():
        edges.setdefault((state.value, following.value), []).append(event.value)
    states = [state.value for state, _ in table]
    reached = {following for _, following in edges}
    starts = [s for s in dict.fromkeys(states) if s not in reached]
    ends = [s for s in dict.fromkeys(following for _, following in edges) if s not in states]
    lines = ["stateDiagram-v2", *(f"    [*] --> {state}" for state in starts)]
    lines += [f"    {a} --> {b}: {', '.join(events)}" for (a, b), events in edges.items()]
    return "\n".join([*lines, *(f"    {state} --> [*]" for state in ends)]) + "\n"
