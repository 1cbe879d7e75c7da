"""The [[release]] tables of a scenario, read: by hand, or from a recipe or a built release with keys beside it.

Promises: a release is one frozen value, or Invalid with line and field; what a recipe or a manifest says and a scenario
does not is taken from there, and what of it cannot be played is one sentence. Refuses to keep a path of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from surefoot_server.cohorts import grammar
from surefoot_shared import checks as check_rules
from surefoot_shared.release import NAME, VERSION, CheckKind, HealthCheck, Probation, SlotKind
from surefoot_simulators.device.conduct import GOOD, SHOWN, Conduct
from surefoot_simulators.device.health import is_looked_at
from surefoot_simulators.world import sources
from surefoot_simulators.world.sources import Source
from surefoot_simulators.world.toml_lines import Table

MEGABYTE = 1e6
CAMERA = HealthCheck("camera", CheckKind.CAMERA, interval_s=5.0, timeout_s=2.0, params={"url": "-", "min_fps": 5.0})
DEFAULT_CHECKS = (HealthCheck("process", CheckKind.PROCESS, interval_s=5.0, timeout_s=2.0), CAMERA)
DEFAULT_PROBATION = Probation(20.0, 2, 20.0)
URL = "http://127.0.0.1:{metrics_port}/metrics"
EVERYBODY = "all"
SIZE_MB = 40.0
SOONEST_S = 1.0
"""After its start something may end; what never starts at all says `starts = false`."""
FIRST_COUNTER = 100


@dataclass(frozen=True, slots=True)
class Effect:
    """What a release does to a share of the devices for which `where` holds."""

    conduct: Conduct
    share: float = 1.0
    where: str = EVERYBODY
    line: int = 0


@dataclass(frozen=True, slots=True)
class Release:
    """Known by its version, whatever it is of."""

    version: str
    counter: int
    size_bytes: float = SIZE_MB * MEGABYTE
    svn: int = 1
    hw: tuple[str, ...] = ()
    """Empty: all hardware of the fleet."""
    probation: Probation = DEFAULT_PROBATION
    checks: tuple[HealthCheck, ...] = DEFAULT_CHECKS
    effects: tuple[Effect, ...] = ()
    component: str = "app"
    shadow: bool = False
    """It says that it knows what a shadow is."""
    slot: SlotKind | None = None
    """In what a device keeps it, where a recipe or a manifest says so."""
    unplayed: str = ""
    """What a recipe or a manifest has and no run shows, as a sentence."""
    line: int = 0


def read(tables: Sequence[Table], component: str, folder: Path) -> tuple[str, tuple[Release, ...]]:
    """Return the scenario's component and its releases. `component` is what it says of it, "" where it says nothing;
    paths start from `folder`.
    """
    found = [sources.read(table, folder) for table in tables]
    said = next((source.component for source in found if source and source.component), "")
    component = component or said or "app"
    counters = _counters(tables, found, component)
    read = [
        _release(table, source, component, counter)
        for table, source, counter in zip(tables, found, counters, strict=True)
    ]
    return component, tuple(read)


def _counters(tables: Sequence[Table], found: Sequence[Source | None], component: str) -> list[int]:
    """Of those that say none, a counter that keeps the order of the file, also around those that were built."""
    places = list(enumerate(zip(tables, found, strict=True), 1))
    stated: dict[int, int] = {}
    names: dict[int, str] = {}
    for number, (table, source) in places:
        names[number] = table.text("component", (source.component if source else "") or component)
        if source and source.counter is not None:
            stated[number] = table.whole("counter", source.counter)

    def default(number: int) -> int:
        own = {place: counter for place, counter in stated.items() if names[place] == names[number]}
        before, after = [place for place in own if place < number], [place for place in own if place > number]
        if number in own:
            return own[number]
        if before:
            return own[before[-1]] + number - before[-1]
        return max(1, own[after[0]] - (after[0] - number)) if after else FIRST_COUNTER + number

    return [default(number) for number, _ in places]


def _release(table: Table, source: Source | None, component: str, counter: int) -> Release:
    said = source or Source()
    if source and not (said.version or table.has("version")):
        raise table.wrong("a recipe that says no version needs one here", "from")
    version = table.name("version", said.version or None)
    checks, left = _checks(table, said)
    size_mb = table.number("size_mb", said.size_bytes / MEGABYTE if said.size_bytes else SIZE_MB, low=0.0)
    guessed = source is not None and not said.size_bytes and not table.has("size_mb")
    made = Release(
        version=version,
        counter=table.whole("counter", counter, low=1),
        size_bytes=size_mb * MEGABYTE,
        svn=table.whole("svn", said.svn),
        hw=table.names("hw", said.hw),
        probation=_probation(table, said.probation or DEFAULT_PROBATION),
        checks=checks,
        effects=tuple(_effect(each, checks) for each in table.tables("effect")),
        component=table.text("component", said.component or component),
        shadow=table.flag("shadow", said.shadow),
        slot=said.slot,
        unplayed=_sentence(version, said, left, f"{SIZE_MB:g} MB, since a recipe says no size" if guessed else ""),
        line=table.line,
    )
    _check_names(table, made)
    table.done()
    return made


def _check_names(table: Table, made: Release) -> None:
    """As a manifest asks for them, so that it can be built."""
    if not VERSION.fullmatch(made.version):
        raise table.wrong(f"{made.version!r} is no version", "version")
    if not NAME.fullmatch(made.component):
        raise table.wrong(f"{made.component!r} is no name of a component", "component")
    if not all(made.hw):
        raise table.wrong("'' is no hardware", "hw")


def _probation(table: Table, default: Probation) -> Probation:
    return table.checked(
        "soak",
        lambda: Probation(
            table.span_s("startup", default.startup_s),
            table.whole("steady", default.steady, low=1, high=100),
            table.span_s("soak", default.soak_s),
        ),
    )


def _checks(table: Table, said: Source) -> tuple[tuple[HealthCheck, ...], list[str]]:
    """Those that are given, else those of the source, else the usual ones; and what of the source's is not played."""
    given = tuple(_check_of(each) for each in table.tables("check"))
    if given:
        return given, []
    if said.checks is None:
        return tuple(map(_addressed, DEFAULT_CHECKS)), []
    blind = [check.name for check in said.checks if not is_looked_at(check)]
    left = [f"the look of {', '.join(blind)} (passes unless an effect fails it)"] if blind else []
    left += [f"{', '.join(keys)} of {check.name}" for check in said.checks if (keys := _unplayed(check))]
    return tuple(_played(check) for check in said.checks), left


def _played(check: HealthCheck) -> HealthCheck:
    left = _unplayed(check)
    return replace(check, params={key: value for key, value in check.params.items() if key not in left})


def _unplayed(check: HealthCheck) -> list[str]:
    return [key for key in check.params if key in UNPLAYED_PARAMS.get(check.kind, ())]


UNPLAYED_PARAMS = {
    CheckKind.CAMERA: frozenset(
        {"max_frozen_ratio", "max_black_ratio", "max_restarts", "streams", "cycles", "cycle_url"}
    ),
    CheckKind.PROCESS: frozenset({"min_uptime_s", "min_processes"}),
}
"""What a simulated application has nothing for: it is one process with one stream, never black and never frozen."""


def _sentence(version: str, said: Source, left: Sequence[str], size: str) -> str:
    """What of a source is not played, "" where that is nothing."""
    parts = (*said.unplayed, *left)
    words = f"Not played of {version}: {'; '.join(parts)}" if parts else ""
    return ". ".join(filter(None, (words, f"{version} is played as {size}" if size else "")))


def _check_of(table: Table) -> HealthCheck:
    kind, name = table.choice("kind", CheckKind), table.text("name")
    params = table.mapping("params")
    if kind in (CheckKind.CAMERA, CheckKind.METRIC, CheckKind.HTTP):
        params.setdefault("url", URL)
    check = table.checked(
        "name",
        lambda: HealthCheck(
            name,
            kind,
            required=table.flag("required", True),
            interval_s=table.span_s("interval", 5.0),
            timeout_s=table.span_s("timeout", 2.0),
            k=table.whole("k", 1, low=1),
            n=table.whole("n", 1, low=1),
            params=params,
        ),
    )
    problem = check_rules.problem(check)
    if problem:
        raise table.wrong(problem, "params")
    if kind is CheckKind.METRIC and not is_looked_at(check):
        raise table.wrong(f"a simulated application shows only {', '.join(sorted(SHOWN))}, without labels", "params")
    table.done()
    return check


def _addressed(check: HealthCheck) -> HealthCheck:
    if check.kind is not CheckKind.CAMERA:
        return check
    return HealthCheck(
        check.name, check.kind, True, check.interval_s, check.timeout_s, params={"url": URL, "min_fps": 5.0}
    )


def _effect(table: Table, checks: Sequence[HealthCheck]) -> Effect:
    conduct = Conduct(
        starts=table.flag("starts", True),
        crash_after_s=table.optional_span_s("crash_after", SOONEST_S),
        panic_after_s=table.optional_span_s("panic_after", SOONEST_S),
        hang_after_s=table.optional_span_s("hang_after", SOONEST_S),
        dead_after_s=table.optional_span_s("dead_after", SOONEST_S),
        boot_loop=table.flag("boot_loop"),
        offline=table.flag("offline"),
        fails=table.text("fails", ""),
        fails_after_s=table.span_s("fails_after", 0.0),
        fps_ratio=table.number("fps", 1.0),
        latency_ratio=table.number("latency", 1.0),
        counts_ratio=table.number("counts", 1.0),
        memory_bytes_per_h=table.number("memory_mb_per_h", 0.0) * MEGABYTE,
        live_fps_ratio=table.number("live_fps", 1.0),
        live_latency_ratio=table.number("live_latency", 1.0),
    )
    names = [check.name for check in checks]
    if conduct.fails and conduct.fails not in names:
        raise table.wrong(
            f"{conduct.fails!r} is no check of this release; it has {', '.join(names) or 'none'}", "fails"
        )
    if conduct in (GOOD, replace(GOOD, fails_after_s=conduct.fails_after_s)):
        raise table.wrong("it changes nothing; say what the release does, as in fps = 0.0, or take it out")
    where = table.text("where", EVERYBODY)
    table.checked("where", lambda: grammar.parse(where))
    made = Effect(conduct, table.number("share", 1.0, high=1.0), where, table.line)
    table.done()
    return made
