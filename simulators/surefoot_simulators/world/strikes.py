"""Faults as they strike a world: each kind one function, on a device or on what all devices share.

Promises: whom a fault strikes and when follows from the seed; what struck is counted and told. A fault at a step is a
trap that springs when the device passes it; what ends a device finds one that is off only once it is switched on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from surefoot_agent.reset_cause import Cause
from surefoot_simulators.device.board import End
from surefoot_simulators.device.node import Node
from surefoot_simulators.world import forgeries
from surefoot_simulators.world.faults import Fault, Kind
from surefoot_simulators.world.recording import Teller
from surefoot_simulators.world.world import World

SPREAD_S = 5.0
"""Devices that are struck by one fault are not struck at the very same instant."""


def plan(world: World) -> None:
    """Put every fault of the scenario into the queue; traps are set at once or at their time."""
    for number, fault in enumerate(world.scenario.faults):
        times = fault.times if fault.every_s else 1
        for turn in range(times):
            world.queue.at(
                fault.at_s + turn * fault.every_s,
                lambda f=fault, n=number, t=turn: _strike(world, f, n, t),  # type: ignore[misc]
            )


def unstruck(world: World) -> tuple[str, ...]:
    """A sentence for each fault of the scenario that struck nobody, not even once."""
    faults = enumerate(world.scenario.faults)
    return tuple(f"The {_words(fault)} of line {fault.line} never struck" for n, fault in faults if not world.struck[n])


def _strike(world: World, fault: Fault, number: int, turn: int) -> None:
    if not fault.strikes_devices:
        _struck(world, fault, number, f"{fault.kind.value} for {fault.for_s:g} s")
        SHARED[fault.kind](world, fault)
        return
    about = ("fault", number, turn) if fault.every_s else ("fault", number)
    for node in world.chosen(fault.where, fault.share, fault.count, *about):
        name = node.birth.name
        if fault.point:
            for _ in range(1 if fault.every_s else fault.times):
                node.board.trap(fault.point, _end(fault), partial(_struck, world, fault, number, _words(fault), name))
        else:
            wait_s = SPREAD_S * world.scenery.draw(*about, name, "spread")
            world.queue.later(wait_s, partial(_hit, world, node, fault, number))


def _hit(world: World, node: Node, fault: Fault, number: int) -> None:
    if node.dead:
        return
    if fault.kind in NEEDS_POWER and not node.on:
        world.queue.at(world.on_at(node), lambda: _hit(world, node, fault, number))
        return
    _struck(world, fault, number, _words(fault), node.birth.name)
    ON_DEVICE[fault.kind](world, node, fault)


def _struck(world: World, fault: Fault, number: int, text: str, device: str | None = None) -> None:
    world.faults[fault.kind.value] += 1
    world.struck[number] += 1
    world.tell(Teller.FAULT, text, device)


def _words(fault: Fault) -> str:
    return f"{fault.kind.value} {fault.point}".rstrip()


CAUSES: Mapping[Kind, Cause] = {
    Kind.POWER_CUT: Cause.POWER_CUT,
    Kind.REBOOT: Cause.CLEAN_RESTART,
    Kind.PANIC: Cause.PANIC,
    Kind.WATCHDOG: Cause.WATCHDOG,
    Kind.SILENT_DEATH: Cause.POWER_CUT,
    Kind.AGENT_KILL: Cause.APPLICATION_DIED,
}

NEEDS_POWER = frozenset(CAUSES) - {Kind.SILENT_DEATH}
"""Ends of something that runs; a device may be dead before anybody switches it on."""


def _end(fault: Fault) -> End:
    return End(
        CAUSES[fault.kind],
        off_s=fault.for_s if fault.kind is Kind.POWER_CUT else 0.0,
        for_good=fault.kind is Kind.SILENT_DEATH,
        agent_only=fault.kind is Kind.AGENT_KILL,
    )


def _ends(_world: World, node: Node, fault: Fault) -> None:
    if node.board.up:
        node.end(_end(fault))


def _link_cut(world: World, node: Node, fault: Fault) -> None:
    node.link.cut()
    world.queue.later(fault.for_s, node.link.mend)


def _network(world: World, node: Node, fault: Fault) -> None:
    link = node.link
    put = lambda network: setattr(link, "network", network)  # noqa: E731
    world.lasting.hold((fault.kind, node.birth.name), fault.for_s, link.network, fault.network, put)


def _clock_skew(_world: World, node: Node, fault: Fault) -> None:
    node.board.skew_s += fault.by_s


def _disk_full(world: World, node: Node, fault: Fault) -> None:
    slots = node.slots
    put = lambda free: setattr(slots, "free_bytes", free)  # noqa: E731
    world.lasting.hold((fault.kind, node.birth.name), fault.for_s, slots.free_bytes, 0, put)


def _corrupt(_world: World, node: Node, fault: Fault) -> None:
    node.downloader.corrupt += fault.pieces


def _rot(_world: World, node: Node, _fault: Fault) -> None:
    node.slots.rot(node.boot.current().other)


def _switch_ignored(world: World, node: Node, fault: Fault) -> None:
    boot = node.boot
    put = lambda ignores: setattr(boot, "ignores_switches", ignores)  # noqa: E731
    world.lasting.hold((fault.kind, node.birth.name), fault.for_s, False, True, put)


def _forged(world: World, node: Node, fault: Fault) -> None:
    raw, lease = forgeries.forged(world, node, fault.what)
    world.broker.publish_bundle(node.birth.name, raw)
    world.queue.later(SPREAD_S, lambda: world.broker.publish_lease(node.birth.name, lease))


def _broker_restart(world: World, fault: Fault) -> None:
    world.site.interrupted()
    world.broker.restart(fault.for_s)


def _server_restart(world: World, fault: Fault) -> None:
    put = lambda up: (world.site.start if up else world.site.stop)()  # noqa: E731
    world.lasting.hold(fault.kind, fault.for_s, True, False, put)


def _database_lock(world: World, fault: Fault) -> None:
    world.lasting.hold(fault.kind, fault.for_s, False, True, world.site.lock)


def _mass_reconnect(world: World, _fault: Fault) -> None:
    """A proxy or a firewall drops every connection; the broker itself goes on."""
    world.broker.restart(0.0)


ON_DEVICE: Mapping[Kind, Callable[[World, Node, Fault], None]] = {
    **dict.fromkeys(CAUSES, _ends),
    Kind.LINK_CUT: _link_cut,
    Kind.NETWORK: _network,
    Kind.CLOCK_SKEW: _clock_skew,
    Kind.DISK_FULL: _disk_full,
    Kind.CORRUPT: _corrupt,
    Kind.ROT: _rot,
    Kind.SWITCH_IGNORED: _switch_ignored,
    Kind.FORGED: _forged,
}
SHARED: Mapping[Kind, Callable[[World, Fault], None]] = {
    Kind.BROKER_RESTART: _broker_restart,
    Kind.SERVER_RESTART: _server_restart,
    Kind.DATABASE_LOCK: _database_lock,
    Kind.MASS_RECONNECT: _mass_reconnect,
}
