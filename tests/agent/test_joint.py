"""One set of components, as a conversation: who may go on, who waits, and that none is ever left half-way."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from surefoot_agent.joint import BACK, TRIED, Gate, Member, Move, moves, together
from surefoot_agent.ports import Wish
from surefoot_shared.messages import JointSet
from surefoot_shared.release import SlotKind, TargetNote
from surefoot_shared.status import AttemptState as S
from surefoot_shared.status import Intent, Outcome

DIGEST = {"model": "b" * 64, "app": "a" * 64}


def pair(model: Member, app: Member) -> dict[str, Move]:
    return dict(moves([replace(model, component="model"), replace(app, component="app")]))


def at(state: S, gate: Gate | None = None, retries: int = 0) -> Member:
    return Member("", state, gate, retries=retries)


DONE = Member("", None, outcome=Outcome.COMMITTED)


def test_a_staged_member_waits_until_all_are_staged_and_may_switch() -> None:
    assert pair(at(S.STAGED, Gate.TURN), at(S.DOWNLOADING)) == {}
    assert pair(at(S.STAGED, Gate.TURN), at(S.STAGED, Gate.HELD)) == {}
    assert pair(at(S.STAGED, Gate.TURN), Member("", None)) == {}
    assert pair(at(S.STAGED, Gate.TURN), at(S.STAGED, Gate.TURN)) == {"model": Move.PASS, "app": Move.PASS}


@pytest.mark.parametrize("state", sorted(TRIED))
def test_once_one_is_armed_the_others_are_held_back_by_nothing(state: S) -> None:
    assert pair(at(state), at(S.STAGED, Gate.HELD)) == {"app": Move.PASS}
    assert pair(at(state), at(S.STAGED, Gate.TURN)) == {"app": Move.PASS}


def test_none_is_switched_before_all_are_armed_and_they_follow_the_order_of_the_set() -> None:
    assert pair(at(S.SWITCHING, Gate.SWITCH), at(S.ARMED)) == {}
    assert pair(at(S.SWITCHING, Gate.SWITCH), at(S.SWITCHING, Gate.SWITCH)) == {"model": Move.PASS}
    assert pair(at(S.PROBATION), at(S.SWITCHING, Gate.SWITCH)) == {"app": Move.PASS}


def test_none_is_committed_before_all_have_proved_themselves() -> None:
    assert pair(at(S.PROBATION, Gate.COMMIT), at(S.PROBATION)) == {}
    assert pair(at(S.PROBATION, Gate.COMMIT), at(S.PROBATION, Gate.COMMIT)) == {"model": Move.PASS, "app": Move.PASS}
    assert pair(at(S.PROBATION, Gate.COMMIT), at(S.COMMITTING)) == {"model": Move.PASS}
    assert pair(at(S.PROBATION, Gate.COMMIT), DONE) == {"model": Move.PASS}


@pytest.mark.parametrize("state", sorted(BACK))
def test_where_one_is_out_whoever_is_not_yet_committed_is_out_too(state: S) -> None:
    for going in (S.OFFERED, S.DOWNLOADING, S.STAGED, S.ARMED, S.SWITCHING, S.PROBATION):
        assert pair(at(state), at(going))["app"] is Move.BREAK
    assert pair(at(state), at(S.COMMITTING)) == {}


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.COMMITTED])
def test_a_member_that_ended_badly_takes_the_others_along(outcome: Outcome) -> None:
    assert pair(Member("", None, outcome=outcome), at(S.STAGED, Gate.TURN)) == {"app": Move.BREAK}


def test_the_way_back_is_walked_last_started_first_and_waits_for_none_that_cannot() -> None:
    both = pair(at(S.REVERTING, Gate.REVERT), at(S.REVERTING, Gate.REVERT))

    assert both == {"app": Move.PASS}
    assert pair(at(S.REVERTING, Gate.REVERT), at(S.REVERTING, None, retries=1)) == {"model": Move.PASS}
    assert pair(at(S.REVERTING, Gate.REVERT), at(S.CLEANING)) == {"model": Move.PASS}


def everything() -> list[Member]:
    """Each state with each gate that it can wait at, and each way to have ended."""
    gates = {
        S.STAGED: (None, Gate.HELD, Gate.TURN),
        S.SWITCHING: (None, Gate.SWITCH),
        S.PROBATION: (None, Gate.COMMIT),
        S.REVERTING: (None, Gate.REVERT),
    }
    under_way = [Member("", state, gate) for state in S if state is not S.IDLE for gate in gates.get(state, (None,))]
    return [*under_way, Member("", None), *(Member("", None, outcome=outcome) for outcome in Outcome)]


def test_in_no_constellation_is_one_committed_while_another_is_out() -> None:
    for members in itertools.product(everything(), repeat=3):
        named = [replace(member, component=name) for member, name in zip(members, "abc", strict=True)]
        told = moves(named)
        out = any(m.state in BACK or m.outcome not in (None, Outcome.COMMITTED) for m in named)
        passes = [m for m in named if told.get(m.component) is Move.PASS]
        assert not out or all(m.gate is Gate.REVERT for m in passes), named
        assert all(m.gate is not None for m in passes), named


def test_in_no_constellation_does_everybody_wait_for_everybody() -> None:
    """Where every member that is under way waits at a gate, and none is held back, somebody moves."""
    for members in itertools.product(everything(), repeat=3):
        named = [replace(member, component=name) for member, name in zip(members, "abc", strict=True)]
        waiting = [m for m in named if m.gate is not None and m.gate is not Gate.HELD]
        if len(waiting) + sum(m.outcome is not None for m in named) < 3 or not waiting:
            continue
        if {m.gate for m in waiting} & {Gate.TURN} and {m.state for m in waiting} - {S.STAGED}:
            assert any(moves(named).values())
        elif len({m.gate for m in waiting}) == 1:
            assert moves(named), named


def wish(component: str, **changes: object) -> Wish:
    note = TargetNote(component, "1.1", 2, 0, ("x86-box",), SlotKind.TREE, 1, 1)
    joint = JointSet("set-1", tuple(DIGEST.items()))
    plain = Wish(f"{component}-1", component, 1, Intent.UPDATE, DIGEST[component], 1, note, joint=joint)
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_a_whole_set_is_followed() -> None:
    assert together([wish("model"), wish("app")]) == ((wish("model"), wish("app")), ())


@pytest.mark.parametrize(
    "wishes",
    [
        [wish("app")],
        [wish("app"), wish("model", digest="c" * 64)],
        [wish("app"), wish("model", joint=JointSet("set-2", tuple(DIGEST.items())))],
        [wish("app"), wish("model", joint=JointSet("set-1", (("model", "b" * 64),)))],
        [wish("app", joint=JointSet("set-1", (("app", "a" * 64), ("rootfs", "d" * 64)))), wish("model", joint=None)],
    ],
    ids=["one is missing", "another release", "another set", "they disagree", "a stranger"],
)
def test_of_an_incomplete_set_no_member_is_followed(wishes: list[Wish]) -> None:
    whole, refusals = together(wishes)

    assert all(each.joint is None for each in whole)
    assert {refusal.reason for refusal in refusals} == {"set_incomplete"}
    assert len(whole) + len(refusals) == len(wishes)


def test_a_wish_of_its_own_is_not_touched_by_a_broken_set() -> None:
    alone = wish("model", joint=None)

    whole, refusals = together([alone, wish("app")])

    assert whole == (alone,)
    assert [refusal.component for refusal in refusals] == ["app"]
