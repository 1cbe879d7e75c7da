"""The way back: in shares, stopped by what could not go back, and over although some are gone for good."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from surefoot_server.rollouts.table import RolloutEvent
from surefoot_server.rollouts.taking_back import counted, must_go_back
from surefoot_shared.status import AttemptState, Outcome, RolloutState
from tests.server.rollouts.world import World, kinds

GATE = """
phases: [{name: all, percent: 100, bake: 60s}]
gate: {min_reported: 0.5, max_wait: 1h, objectives: [{metric: lost, fail_if_surely_above: 95%}]}
timeouts: {lost_after: 5m, asleep_after: 1m, step: 20m}
"""
SHARES = GATE + "revert: {phases: [{percent: 20, bake: 10m}, {percent: 50}, {percent: 100}], tripwire: 2}\n"
RATE = GATE + "revert: {phases: [{percent: 50}, {percent: 100}], fail_if_surely_above: 10%}\n"
ONE_AT_A_TIME = GATE + "limits: {max_concurrent: 1}\n"
UNAVAILABLE = GATE + "limits: {max_unavailable: 1}\n"
SITES = GATE + "limits: {per_site_unavailable: 1}\n"


@dataclass(frozen=True)
class Row:
    """Ten devices c1 to c10 have the release; then `history`, played from `act revert` on."""

    name: str
    policy: str
    history: str
    decided: str
    state: str
    reason: str


SENT = "SendBack"
ROWS = (
    Row(
        "without shares everybody is ordered back at once, and it is over when they are back",
        GATE,
        "tick 0; back 1-10; tick 0",
        f"{SENT}*10 EndRevert",
        "failed",
        "10 of 10 devices are back on their previous release",
    ),
    Row("the first share goes and the others wait", SHARES, "tick 0; tick 60", f"{SENT}*2", "reverting", "reverting"),
    Row(
        "the next share waits for the first to be back, and for its time",
        SHARES,
        "tick 0; back 1-2; tick 0; tick 590",
        f"{SENT}*2 BakeBack",
        "reverting",
        "20% of the devices are back; the others follow in a while",
    ),
    Row(
        "share by share to the end",
        SHARES,
        "tick 0; back 1-2; tick 0; tick 600; back 3-5; tick 0; back 6-10; tick 0",
        f"{SENT}*2 BakeBack NextBack {SENT}*3 NextBack {SENT}*5 EndRevert",
        "failed",
        "10 of 10 devices are back",
    ),
    Row(
        "two that could not go back stop it for a person",
        SHARES,
        "tick 0; fail 1-2; tick 0; tick 3600",
        f"{SENT}*2 HoldBack",
        "reverting",
        "2 of 2 devices could not go back, the tripwire is 2; `resume` lets it go on",
    ),
    Row(
        "a person lets it go on, and what was seen does not stop it again",
        SHARES,
        "tick 0; fail 1-2; tick 0; resume; tick 0; tick 600; back 3-4; fail 5-5; tick 0; back 6-10; tick 0",
        f"{SENT}*2 HoldBack BakeBack NextBack {SENT}*3 NextBack {SENT}*5 EndRevert",
        "failed",
        "7 of 10 devices are back on their previous release, 3 could not",
    ),
    Row(
        "a rate stops it where it is surely above, and not before",
        RATE,
        "tick 0; back 1-3; fail 4-5; tick 0",
        f"{SENT}*5 HoldBack",
        "reverting",
        "2 of 5 devices could not go back, surely more than 10%",
    ),
    Row(
        "one of five is not surely more than a tenth",
        RATE,
        "tick 0; back 1-4; fail 5-5; tick 0",
        f"{SENT}*5 NextBack {SENT}*5",
        "reverting",
        "the rollout is reverting and it is committed",
    ),
    Row(
        "sleepers are in the last share, and hold nobody up",
        SHARES,
        "offline 1-9; tick 0; back 10-10; tick 0; tick 600",
        f"{SENT} BakeBack NextBack NextBack {SENT}*9 EndRevert",
        "failed",
        "1 of 10 devices are back on their previous release, 9 go back when they wake",
    ),
    Row(
        "a device that dies on its way back is given up, and the others go on",
        ONE_AT_A_TIME,
        "tick 0; die 1; tick 301; back 2-2; tick 0; back 3-3; tick 0",
        f"{SENT} Lose {SENT} {SENT} {SENT}",
        "reverting",
        "the rollout is reverting and it is committed",
    ),
    Row(
        "a lost device that nobody knows the way back of keeps nobody else from it",
        UNAVAILABLE,
        "forever 1; tick 0; staged 2-10; tick 0; back 2-2; tick 0; back 3-3; tick 0",
        f"{SENT}*9 Activate Activate Activate",
        "reverting",
        "its turn to go back came",
    ),
    Row(
        "nor does one that was lost while it went back",
        SITES,
        "tick 0; staged 1-10; tick 0; die 1; tick 301; back 2-3; tick 0; back 4-4; tick 0; back 7-7; tick 0",
        f"{SENT}*10 Activate*3 Lose Activate Activate*2 Activate Activate",
        "reverting",
        "its turn to go back came",
    ),
)


def names(span: str) -> list[str]:
    first, _, last = span.partition("-")
    return [f"c{i}" for i in range(int(first), int(last or first) + 1)]


def play(world: World, line: str) -> None:
    verb, *words = line.split()
    match verb:
        case "tick":
            for member in world.facts.members:  # whoever is awake says that it is still at it
                if member.online and member.revert is not None and member.revert.outcome is None:
                    world.put(replace(member, revert=replace(member.revert, state_at=world.now)))
            world.tick(float(words[0]))
        case "back":
            for name in names(words[0]):
                world.end_revert(name)
        case "fail":
            for name in names(words[0]):
                world.end_revert(name, Outcome.FAILED)
        case "staged":
            for name in names(words[0]):
                if (back := world.member(name).revert) is not None:
                    world.put(replace(world.member(name), revert=replace(back, state=AttemptState.STAGED)))
        case "die":
            (name,) = names(words[0])
            back = world.member(name).revert
            assert back is not None
            gone = replace(back, state=AttemptState.PROBATION, state_at=world.now)
            world.put(replace(world.member(name), revert=gone))
            world.offline(name)
        case "forever":
            (name,) = names(words[0])
            world.end(Outcome.LOST, name)
            world.offline(name)
            world.put(replace(world.member(name), has_previous=False))
        case "offline":
            world.offline(*names(words[0]))
        case "resume":
            world.go_on_back()


def reverting(policy: str) -> World:
    world = World(policy, canaries=10, rest=0)
    for _ in range(10):
        world.tick()
        world.stage(*(n for n in world.offered() if world.member(n).attempt.outcome is None))  # type: ignore[union-attr]
        world.tick()
        world.commit(*world.activated())
    world.act(RolloutEvent.REVERT)
    world.log.clear()
    return world


def spelled(text: str) -> list[str]:
    said = [word.partition("*") for word in text.split()]
    return [kind for kind, _, times in said for _ in range(int(times or 1))]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_history_leads_to_its_decisions(row: Row) -> None:
    world = reverting(row.policy)

    for line in row.history.split("; "):
        play(world, line)

    assert kinds(world.log) == spelled(row.decided)
    assert world.rollout.value == row.state
    assert row.reason in world.log[-1].reason
    assert world.tick() == []


def test_who_could_not_go_back_is_counted_with_those_that_are_not_listed() -> None:
    world = reverting(GATE)
    world.tick()
    for name in names("1-3"):
        world.end_revert(name, Outcome.FAILED)
    world.end_revert("c4")
    watch = world.watch()

    assert (counted(watch).ordered, counted(watch).ended, counted(watch).bad) == (10, 4, 3)


def test_only_who_has_it_or_may_have_it_goes_back() -> None:
    world = reverting(GATE)
    member = world.member("c1")
    assert member.attempt is not None

    assert must_go_back(member)
    assert not must_go_back(replace(member, claimed_by="r9"))
    assert not must_go_back(replace(member, has_previous=False))
    assert not must_go_back(replace(member, attempt=None))
    reverted = replace(member, runs_release=False, attempt=replace(member.attempt, outcome=Outcome.REVERTED))
    assert not must_go_back(reverted)
    assert must_go_back(replace(reverted, runs_release=True))
    assert world.rollout is RolloutState.REVERTING
