"""The tables of the simulator's library, from its scenarios: what stands for which promise and each kind of fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

import markdown

from surefoot_simulators.device.conduct import GOOD
from surefoot_simulators.world.scenario import Scenario, read

FOLDER = Path(__file__).parents[1] / "simulators" / "scenarios"
PROMISES: Mapping[str, tuple[str, ...]] = {
    "No device is bricked or left unreachable.": (
        "power_cuts",
        "reboots",
        "watchdogs",
        "panics",
        "boot_loop",
        "guard_alone",
        "lost_on_activation",
        "agents_killed",
        "set",
    ),
    "Success means the new slot is running it.": ("never_starts", "switch_without_effect", "flash_rots", "shadow"),
    "Nothing unsigned runs.": ("stolen_server", "corrupt_chunks", "refusals"),
    "A bad release stops by itself.": (
        "bad_release_stops",
        "bad_on_one_hardware",
        "crash_on_trial",
        "panic_on_trial",
        "slower_than_the_control",
        "silent_death",
        "no_data",
        "own_recipe",
    ),
    "Halt is a real halt.": ("operator_halts", "operator_reverts", "asleep_through_a_halt", "refusals"),
    "Every decision can be explained.": ("one_answer",),
}
"""The seventh, that it starts with one command, is nothing that virtual time could show: `make demo` does."""
FAULTS: Mapping[str, tuple[str, ...]] = {
    "power cut at any named step": ("power_cuts", "set"),
    "boot loop": ("boot_loop",),
    "panic": ("panics", "panic_on_trial"),
    "failing check": ("bad_release_stops", "one_answer"),
    "degraded metric": ("slower_than_the_control", "shadow"),
    "silent death": ("silent_death",),
    "lost on activation": ("lost_on_activation",),
    "slow link": ("slow_lines", "metered_lines"),
    "flapping link": ("flapping_links", "site_cut_off"),
    "clock skew": ("clocks_wrong",),
    "full disk": ("full_disk", "no_room_for_two"),
    "corrupt chunk": ("corrupt_chunks", "flash_rots"),
    "duplicate, late and reordered messages": ("messy_messages",),
    "broker restart": ("broker_restarts",),
    "server restart": ("server_restarts",),
    "database lock": ("database_locked",),
    "mass reconnect": ("mass_reconnect",),
}


def promises() -> str:
    """tests/simulators/world/test_library.py holds these to what the scenarios do."""
    rows = [(promise, _named(names)) for promise, names in PROMISES.items()]
    rows.append(("It starts with one command.", "`make demo`, on real processes"))
    return markdown.table(("promise", "scenarios"), rows) + "\n"


def faults() -> str:
    return markdown.table(("fault", "scenarios"), [(fault, _named(names)) for fault, names in FAULTS.items()]) + "\n"


def library() -> str:
    return markdown.table(("scenario", "what it shows", "what goes wrong"), _rows()) + "\n"


def goes_wrong(scenario: Scenario) -> list[str]:
    """The kinds of faults that strike, and what its releases do."""
    found = [fault.kind.value for fault in scenario.faults]
    found += [
        name.removesuffix("_s").removesuffix("_ratio")
        for release in scenario.releases
        for effect in release.effects
        for name in effect.conduct.__slots__
        if getattr(effect.conduct, name) != getattr(GOOD, name)
    ]
    lines = {
        field.name.removesuffix("_bytes_per_s").removesuffix("_s")
        for group in scenario.groups
        for field in fields(group.network)
        if getattr(group.network, field.name) != field.default
    }
    return list(dict.fromkeys([*found, *(f"network.{name}" for name in sorted(lines))]))


def _rows() -> Iterator[tuple[str, ...]]:
    for path in sorted(FOLDER.glob("*.toml")):
        scenario = read(path)
        yield f"`{path.stem}`", scenario.promise, ", ".join(goes_wrong(scenario)) or "–"


def _named(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
