"""Brings members of a set to their gates' moves: reads the components, asks `joint`, does what it says.

Promises: nothing is decided and nothing remembered here; it is asked again after everything that happens, and after a
restart finds the same from the records. Lives on the runner's thread.
"""

from __future__ import annotations

from collections.abc import Mapping

from surefoot_agent import events as e
from surefoot_agent.component import Component
from surefoot_agent.joint import TRIED, Member, Move, moves
from surefoot_shared.messages import JointSet
from surefoot_shared.status import AttemptState

GONE = "Another member of its set failed; the set is activated as one or not at all."


class Sets:
    def __init__(self, components: Mapping[str, Component]) -> None:
        self._components = components

    def look(self) -> None:
        """Move whoever may move, until nobody may; each move changes a state or ends at a gate."""
        while self._moved():
            pass

    def _moved(self) -> bool:
        moved = False
        for joint in self._under_way():
            for name, move in moves(self._members(joint)).items():
                moved = self._do(self._components[name], joint.id, move) or moved
        return moved

    def _under_way(self) -> list[JointSet]:
        """Each set of which a member is under way; one that is on trial alone, for there is one verdict at a time."""
        found: dict[str, JointSet] = {}
        tried: dict[str, JointSet] = {}
        for component in self._components.values():
            wish = component.record.wish
            if wish is not None and wish.joint is not None:
                found[wish.joint.id] = wish.joint
                if component.record.state in TRIED or component.record.state is AttemptState.COMMITTING:
                    tried[wish.joint.id] = wish.joint
        return list(tried.values())[:1] or list(found.values())

    def _members(self, joint: JointSet) -> list[Member]:
        """In the order of start: what restarts the machine comes first, for it starts all the others too."""
        names = [name for name, _ in joint.members if name in self._components]
        names.sort(key=lambda name: not self._components[name].desk.hands.reboots)
        return [_member(self._components[name], joint.id) for name in names]

    def _do(self, component: Component, joint: str, move: Move) -> bool:
        """Return whether something changed."""
        attempt, before = component.attempt, component.record
        if before.wish is None or before.wish.joint is None or before.wish.joint.id != joint:
            return False  # a move before this one ended its part
        if move is Move.PASS:
            return attempt.pass_gate()
        if before.state in TRIED:
            attempt.play(e.Unhealthy("set_broken", GONE))
        else:
            attempt.play(e.SetBroken(GONE))
        return True


def _member(component: Component, joint: str) -> Member:
    record, gate = component.record, component.attempt.gate
    if record.wish is not None:
        mine = record.wish.joint is not None and record.wish.joint.id == joint
        return Member(component.name, record.state if mine else None, gate if mine else None, retries=record.retries)
    ended = record.ended
    outcome = ended.outcome if ended is not None and ended.joint == joint else None
    return Member(component.name, None, outcome=outcome)
