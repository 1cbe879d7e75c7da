"""Where the devices of a phase are, and what follows where none of them is left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot_server.rollouts import taken
from surefoot_server.rollouts.decisions import CollapsePhase, HoldPhase
from surefoot_server.rollouts.engine import finding
from surefoot_shared.status import Outcome
from tests.server.rollouts.world import World


def begun(canaries: int = 3) -> World:
    world = World(canaries=canaries)
    world.tick()
    return world


def over(world: World) -> CollapsePhase | HoldPhase | None:
    index = world.facts.phase
    return taken.over(world.watch(), index, "canary", finding(world.policy, world.watch(), index))


def unlisted(world: World, **holders: int) -> None:
    """The canaries are known as counters alone, of which these are with others."""
    members = tuple(m for m in world.facts.members if m.phase)
    phase = replace(world.facts.phases[0], others=3, taken={name.strip("_"): n for name, n in holders.items()})
    world.facts = replace(world.facts, members=members, phases=(phase, *world.facts.phases[1:]))


def test_one_device_is_spoken_of_as_one() -> None:
    world = begun(canaries=1)
    world.claim("r9", "c1")

    assert (found := over(world)) is not None
    assert found.reason == "the only device of canary now belongs to rollout r9, and no earlier phase has passed"


@pytest.mark.parametrize(
    ("holders", "said"),
    [
        ({"r9": 3}, "all 3 devices of canary now belong to rollout r9"),
        ({"r9": 1, "r8": 2}, "all 3 devices of canary are out of its reach: 2 to rollout r8, 1 to rollout r9"),
        ({"_": 3}, "all 3 devices of canary are out of its reach: 3 had their order ended"),
    ],
)
def test_devices_that_are_only_counted_are_told_by_who_has_them(holders: dict[str, int], said: str) -> None:
    world = begun()
    unlisted(world, **holders)

    assert (found := over(world)) is not None
    assert found.reason == f"{said}, and no earlier phase has passed"


@pytest.mark.parametrize("holders", [{}, {"r9": 2}])
def test_as_long_as_it_is_not_known_where_one_is_it_may_have_its_turn(holders: dict[str, int]) -> None:
    world = begun()
    unlisted(world, **holders)

    assert over(world) is None


def test_a_device_that_is_at_it_or_has_ended_its_attempt_keeps_the_phase_going() -> None:
    world = begun()
    world.claim("r9", "c1", "c2")
    at_it = over(world)
    world.end(Outcome.FAILED, "c3")

    assert at_it is None
    assert over(world) is None


def test_a_late_device_of_an_earlier_phase_is_still_offered_first() -> None:
    world = begun()
    world.offline("c3")
    world.commit("c1", "c2")
    world.tick(61)
    world.tick(61)
    world.claim("r9", *(f"r{i}" for i in range(1, 10)))
    world.online("c3")

    assert world.facts.phase == 1
    assert over(world) is None


def test_only_a_phase_that_passed_by_its_verdict_lets_one_be_passed_over() -> None:
    world = begun()
    world.claim("r9", "c1", "c2", "c3")
    unproved = over(world)
    proved = replace(world.facts.phases[0], proved=True)
    world.facts = replace(world.facts, phase=1, phases=(proved, replace(world.facts.phases[0])))
    world.facts = replace(world.facts, members=tuple(replace(m, phase=1) for m in world.facts.members if not m.phase))

    assert isinstance(unproved, HoldPhase)
    assert isinstance(over(world), CollapsePhase)
