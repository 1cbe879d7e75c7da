"""Faults as values: what goes wrong, when or at which step, on whom; read from a scenario.

Promises: one word per fault, each documented; whom it strikes follows from the seed alone. Does nothing by itself: see
strikes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from surefoot_server.cohorts import grammar
from surefoot_shared.status import AttemptState
from surefoot_simulators.device.board import POINTS
from surefoot_simulators.device.link import Network
from surefoot_simulators.world.lines import network
from surefoot_simulators.world.toml_lines import LONGEST_S, Table


class Kind(str, Enum):
    """What goes wrong."""

    POWER_CUT = "power_cut"
    REBOOT = "reboot"
    PANIC = "panic"
    WATCHDOG = "watchdog"
    AGENT_KILL = "agent_kill"
    """The agent alone dies and is started anew."""
    SILENT_DEATH = "silent_death"
    """The device is never heard of again."""
    LINK_CUT = "link_cut"
    """No packet passes, for `for`."""
    NETWORK = "network"
    """The line becomes another one: delay, loss, duplicates, late, rate_kbps, metered."""
    CLOCK_SKEW = "clock_skew"
    """The wall clock is wrong by `by`."""
    DISK_FULL = "disk_full"
    CORRUPT = "corrupt"
    """So many `pieces` come with a wrong byte."""
    ROT = "rot"
    """A byte of the other slot changes."""
    SWITCH_IGNORED = "switch_ignored"
    """Boot control reports success and does nothing, for `for`."""
    BROKER_RESTART = "broker_restart"
    SERVER_RESTART = "server_restart"
    DATABASE_LOCK = "database_lock"
    MASS_RECONNECT = "mass_reconnect"
    FORGED = "forged"
    """Whoever owns the server's director key sends bundles: see `what`."""


class Forgery(str, Enum):
    """What a stolen director's key is used for."""

    NEVER_RELEASED = "never_released"
    DOWNGRADE = "downgrade"
    WRONG_HARDWARE = "wrong_hardware"
    OTHER_DEVICE = "other_device"
    STRANGER = "stranger"
    """Signed by another key."""


DEVICE_KINDS = frozenset(Kind) - {Kind.BROKER_RESTART, Kind.SERVER_RESTART, Kind.DATABASE_LOCK, Kind.MASS_RECONNECT}
TRAPPABLE = frozenset({Kind.POWER_CUT, Kind.REBOOT, Kind.PANIC, Kind.WATCHDOG, Kind.AGENT_KILL, Kind.SILENT_DEATH})
STEPS = frozenset(
    [f"in {state.value}" for state in AttemptState]
    + [f"{side} {point}" for point in POINTS for side in ("before", "after")]
)
"""What `point` may name: a state that was just stored, or a write."""


ANY = ("kind", "at", "every", "times")
ON_DEVICES = ("where", "share", "count")
KEYS: Mapping[Kind, Sequence[str]] = {
    **dict.fromkeys(TRAPPABLE, ("point",)),
    Kind.POWER_CUT: ("point", "for"),
    **dict.fromkeys((Kind.LINK_CUT, Kind.DISK_FULL, Kind.SWITCH_IGNORED), ("for",)),
    **dict.fromkeys((Kind.BROKER_RESTART, Kind.SERVER_RESTART, Kind.DATABASE_LOCK), ("for",)),
    Kind.NETWORK: ("network", "for"),
    Kind.CLOCK_SKEW: ("by",),
    Kind.CORRUPT: ("pieces",),
    Kind.FORGED: ("what",),
}
"""What a kind looks at beside when and whom."""
NEEDED: Mapping[Kind, Sequence[str]] = {Kind.NETWORK: ("network",), Kind.CLOCK_SKEW: ("by",)}
"""Without it the fault would change nothing."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`share` of the devices for which `where` holds, or `count` of them. `every_s`: again, `times` in all."""

    kind: Kind
    line: int
    at_s: float
    for_s: float
    every_s: float
    times: int
    point: str
    where: str
    share: float
    count: int
    by_s: float
    pieces: int
    what: Forgery
    network: Network

    @property
    def strikes_devices(self) -> bool:
        return self.kind in DEVICE_KINDS


def read(table: Table, lasts_s: float = LONGEST_S) -> Fault:
    """Read one [[fault]] of a scenario that lasts so long."""
    kind = table.choice("kind", Kind)
    made = Fault(
        kind=kind,
        line=table.line,
        at_s=table.span_s("at", 0.0),
        for_s=table.span_s("for", 30.0),
        every_s=table.span_s("every", 0.0),
        times=table.whole("times", 1, low=1, high=100_000),
        point=table.text("point", ""),
        where=table.text("where", "all"),
        share=table.number("share", 1.0, high=1.0),
        count=table.whole("count", 0, low=1 if table.has("count") else 0),
        by_s=table.span_s("by", 0.0, low_s=-LONGEST_S),
        pieces=table.whole("pieces", 1, low=1),
        what=table.choice("what", Forgery, Forgery.NEVER_RELEASED),
        network=network(table.table("network")),
    )
    table.checked("where", lambda: grammar.parse(made.where))
    if table.has("share") and table.has("count"):
        raise table.wrong("it has a share as well; give one of both", "count")
    if made.times > 1 and not made.every_s and not made.point:
        raise table.wrong("it strikes once, unless `every` says how far apart", "times")
    if made.every_s and made.times == 1:
        raise table.wrong("it strikes once, unless `times` says how often", "every")
    last_s = made.at_s + (made.times - 1) * made.every_s
    if made.every_s and made.at_s < lasts_s <= last_s:
        raise table.wrong(f"the last of {made.times} would strike at {last_s:g} s; it ends at {lasts_s:g} s", "times")
    if kind is Kind.CLOCK_SKEW and table.has("by") and not made.by_s:
        raise table.wrong("a clock that is wrong by nothing is right", "by")
    for key in NEEDED.get(kind, ()):
        if not table.has(key):
            raise table.wrong(f"a fault of kind {kind.value} needs {key}", key)
    if made.point and made.point not in STEPS:
        raise table.wrong(f"{made.point!r} is not one of {', '.join(sorted(STEPS))}", "point")
    if made.point and kind not in TRAPPABLE:
        raise table.wrong(f"a fault of kind {kind.value} strikes at a time, not at a step", "point")
    table.done((*ANY, *(ON_DEVICES if kind in DEVICE_KINDS else ()), *KEYS.get(kind, ())))
    return made
