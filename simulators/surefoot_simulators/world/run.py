"""Play a scenario and return its recording: rollouts, acts and faults at their times, then every expectation judged.

Promises: the same scenario, seed and code give the same recording, byte for byte, on any machine and in any process.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from surefoot_simulators.device.node import Node
from surefoot_simulators.world import expectations, strikes
from surefoot_simulators.world.exchange import Exchange, MemoryExchange
from surefoot_simulators.world.expectations import Seen
from surefoot_simulators.world.hearing import heard
from surefoot_simulators.world.open_files import make_room
from surefoot_simulators.world.pace import Pace
from surefoot_simulators.world.recording import Recording
from surefoot_simulators.world.scenario import Scenario
from surefoot_simulators.world.world import World

SETTLING_S = 1800.0
"""After the last rollout ended: reports arrive, devices come back, nothing more may change."""

Watcher = Callable[[World], None]


def run(
    scenario: Scenario,
    seed: int | None = None,
    watch: Watcher | None = None,
    *,
    wire: bool = False,
    speed: float | None = None,
) -> Recording:
    """Play it; `watch` is shown the world after each event. With `wire` every message passes a real mosquitto.

    `speed`: at most so many seconds of the world in one of the wall; None: as fast as this machine can.

    Raises ConfigError where so many devices have no room, or mosquitto is missing.
    """
    make_room(sum(group.count for group in scenario.groups))
    seed = scenario.seed if seed is None else seed
    with closing(_exchange(wire)) as exchange, closing(World(scenario, seed, exchange)) as world, heard(world):
        if speed is not None:
            world.queue.pace = Pace(speed)
        set_going(world)
        strikes.plan(world)
        world.queue.run(scenario.seconds, _Over(world, watch))
        return recorded(world)


def _exchange(wire: bool) -> Exchange:
    if not wire:
        return MemoryExchange()
    from surefoot_simulators.world.wire_exchange import WireExchange  # certificates and paho cost a quarter of a second

    return WireExchange()


def set_going(world: World) -> None:
    """Switch the fleet on, and put rollouts and acts into the queue."""
    world.switch_on()
    world.acts.plan()


class _Over:
    """Whether all was decided, and so long ago that everything that follows from it has happened."""

    def __init__(self, world: World, watch: Watcher | None) -> None:
        self._world, self._watch = world, watch
        self._last = max(
            [plan.at_s for plan in world.scenario.rollouts]
            + [fault.at_s + fault.times * fault.every_s + fault.for_s for fault in world.scenario.faults]
            + [act.at_s for act in world.scenario.acts],
            default=0.0,
        )
        self._since: float | None = None

    def __call__(self) -> bool:
        if self._watch is not None:
            self._watch(self._world)
        world = self._world
        waits = world.scenario.settles and world.queue.now >= self._last and not world.acts.waiting
        if not waits or not world.notes.ended():
            self._since = None
            return False
        self._since = world.queue.now if self._since is None else self._since
        return world.queue.now >= self._since + SETTLING_S


# --- the end ----------------------------------------------------------------------------------------------------------


def recorded(world: World) -> Recording:
    """All that was written down, with every expectation judged."""
    scenario, notes, seconds = world.scenario, world.notes, round(world.queue.now, 3)
    tallies, stored = notes.tallies(), notes.stored_events()
    seen = Seen(
        devices=tuple(world.born.values()),
        points=notes.points,
        rollouts=notes.rollouts,
        phases=notes.phases,
        tallies=tallies,
        endings=notes.endings,
        story=notes.story,
        component=scenario.component,
        components={release.version: release.component for release in scenario.releases},
        seconds=seconds,
        faults=world.faults,
        bricked=[name for name, node in world.nodes.items() if _is_bricked(node)],
        lost_events=_lost(world, stored),
        answers=notes.answers(),
        metered_mb=sum(node.link.metered_bytes for node in world.nodes.values()) / 1e6,
    )
    return Recording(
        scenario=scenario.name,
        title=scenario.title,
        promise=scenario.promise,
        seed=world.seed,
        seconds=seconds,
        started_at=world.started(),
        component=scenario.component,
        devices=tuple(seen.devices),
        points=tuple(seen.points),
        rollouts=tuple(seen.rollouts),
        phases=tuple(seen.phases),
        tallies=tallies,
        endings=tuple(seen.endings),
        story=tuple(seen.story),
        expectations=(*(expectations.judge(each, seen) for each in scenario.expectations), *world.acts.judged()),
        faults=dict(sorted(world.faults.items())),
        counts={
            "events": world.queue.count,
            "messages": world.broker.messages,
            "steps": sum(node.steps for node in world.nodes.values()),
            "looks": world.site.looks,
            "stored_events": sum(map(len, stored.values())),
        },
        unplayed=(*scenario.unplayed, *strikes.unstruck(world)),
    )


def _is_bricked(node: Node) -> bool:
    return not node.dead and (not node.bootable() or (node.board.up and node.version() is None))


def _lost(world: World, stored: dict[str, set[int]]) -> dict[str, int]:
    """Of devices that are there and have nothing left to send: every number from 1 on must be stored."""
    lost = {}
    for name, node in world.nodes.items():
        if node.dead or node.journal is None or node.runner is None or not node.link.connected:
            continue
        told = node.told_events()
        missing = told - stored.get(name, set())
        if missing:
            lost[name] = len(missing)
    return lost
