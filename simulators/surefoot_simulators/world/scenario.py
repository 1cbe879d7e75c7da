"""A scenario: a fleet, its releases and what they do, rollouts, faults, operators' acts, and what is expected.

Promises: a frozen value of a TOML document, or Invalid naming line and field; nothing that was written is ignored, and
policies, expressions and checks are read by the server's own readers, so that one which the server would refuse is
refused before anything runs. docs/simulator.md describes every table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from surefoot_server.access.roles import Role
from surefoot_server.cohorts import grammar
from surefoot_server.rollouts import policy as policies
from surefoot_shared import checks as check_rules
from surefoot_shared.errors import KINDS, Invalid, SurefootError
from surefoot_shared.release import CheckKind, HealthCheck, Probation
from surefoot_shared.status import RolloutState
from surefoot_simulators.device.boot import Kind
from surefoot_simulators.device.conduct import Conduct
from surefoot_simulators.device.link import Network
from surefoot_simulators.world import asked, faults, reach
from surefoot_simulators.world.asked import Expectation
from surefoot_simulators.world.faults import Fault
from surefoot_simulators.world.lines import network
from surefoot_simulators.world.toml_lines import Table, parse

HOUR_S = 3600.0
MEGABYTE = 1e6
CAMERA = HealthCheck("camera", CheckKind.CAMERA, interval_s=5.0, timeout_s=2.0, params={"url": "-", "min_fps": 5.0})
DEFAULT_CHECKS = (HealthCheck("process", CheckKind.PROCESS, interval_s=5.0, timeout_s=2.0), CAMERA)
URL = "http://127.0.0.1:{metrics_port}/metrics"
EVERYBODY = "all"
STATES = tuple(state.value for state in RolloutState)


@dataclass(frozen=True, slots=True)
class Group:
    """Devices that are alike. Sites are dealt in turn."""

    count: int
    name: str = "cam"
    hw: str = "rpi5"
    sites: tuple[str, ...] = ("site-1",)
    boot: Kind = Kind.LINK
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    network: Network = Network()  # noqa: RUF009 -- frozen
    runs: str = ""
    """The release at the start; that of the fleet where it is empty."""
    free_bytes: float = 64e9
    guard_budget_s: float = 300.0


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
    size_bytes: float = 40e6
    svn: int = 1
    hw: tuple[str, ...] = ()
    """Empty: all hardware of the fleet."""
    probation: Probation = Probation(20.0, 2, 20.0)  # noqa: RUF009 -- frozen
    checks: tuple[HealthCheck, ...] = DEFAULT_CHECKS
    effects: tuple[Effect, ...] = ()
    component: str = "app"
    shadow: bool = False
    """It says that it knows what a shadow is."""


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    at_s: float
    release: str
    cohort: str
    policy: str
    by: str = "operator"
    also: tuple[str, ...] = ()
    """Releases that are ordered with it, as one set."""
    lift_halt: bool = False
    accept_blind: bool = True
    """A person has accepted what recreate costs."""
    refused: str = ""
    line: int = 0


class Do(str, Enum):
    """What an operator does to a rollout."""

    PAUSE = "pause"
    RESUME = "resume"
    HALT = "halt"
    REVERT = "revert"
    CANCEL = "cancel"
    APPROVE = "approve"
    REJECT = "reject"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Act:
    """`when` is the state in which the rollout must be first; it is awaited from `at_s` on.

    `refused`: the kind of error with which the server is expected to refuse it; "" where it must be done.
    """

    at_s: float
    do: Do
    rollout: int = 1
    by: str = "operator"
    reason: str = ""
    keep: bool = False
    when: str = ""
    after_s: float = 0.0
    role: Role = Role.RELEASER
    """Of whoever approves or rejects."""
    refused: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    title: str
    promise: str
    seconds: float
    """At most; it ends earlier where `settles` and all that was to be decided is."""
    seed: int
    component: str
    runs: str
    groups: tuple[Group, ...]
    releases: tuple[Release, ...]
    rollouts: tuple[RolloutPlan, ...]
    faults: tuple[Fault, ...] = ()
    acts: tuple[Act, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    heartbeat_s: float = 6 * HOUR_S
    telemetry_s: float = 6 * HOUR_S
    begins_at_hour: float = 12.0
    night_ratio: float = 0.8
    settles: bool = True
    least_svn: int = 0
    """The least security version that the release keys demand."""

    @property
    def components(self) -> tuple[str, ...]:
        """Of every device, the scenario's own first."""
        return tuple(dict.fromkeys((self.component, *(release.component for release in self.releases))))

    def first_of(self, component: str) -> str:
        """What a device runs of it at the start, unless its group says otherwise."""
        if component == self.component:
            return self.runs
        return next(release.version for release in self.releases if release.component == component)

    @property
    def hardware(self) -> tuple[str, ...]:
        return tuple(sorted({group.hw for group in self.groups}))


def read(path: Path) -> Scenario:
    """Read a scenario's file; raises Invalid naming line and field."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "it is no text")
        raise Invalid("malformed", f"{path} cannot be read: {why}.", "Give a scenario in TOML.") from error
    return parsed(text, path.stem, str(path))


def parsed(text: str, name: str, file: str = "") -> Scenario:
    """Read a scenario's text; `file` is what complaints call it."""
    root = parse(text, file or name)
    fleet = root.table("fleet")
    groups = tuple(_group(each) for each in fleet.tables("devices"))
    if not groups:
        raise fleet.wrong("it has no devices; give [[fleet.devices]]")
    component = root.text("component", "app")
    releases = tuple(_release(each, component, number) for number, each in enumerate(root.tables("release"), 1))
    if not releases:
        raise root.wrong("it has no release; give [[release]], the first of which is what the fleet runs")
    own = [release.version for release in releases if release.component == component]
    runs = fleet.text("runs", (own or [releases[0].version])[0])
    scenario = Scenario(
        name=name,
        title=root.text("title"),
        promise=root.text("promise"),
        seconds=root.span_s("duration"),
        seed=root.whole("seed", 1),
        component=component,
        runs=runs,
        groups=groups,
        releases=releases,
        rollouts=tuple(_rollout(each, releases) for each in root.tables("rollout")),
        faults=tuple(faults.read(each) for each in root.tables("fault")),
        acts=tuple(_act(each) for each in root.tables("act")),
        expectations=tuple(asked.read(each) for each in root.tables("expect")),
        heartbeat_s=fleet.span_s("heartbeat", 6 * HOUR_S),
        telemetry_s=fleet.span_s("telemetry", 6 * HOUR_S),
        begins_at_hour=root.number("begins_at_hour", 12.0, high=24.0),
        night_ratio=root.number("night_ratio", 0.8, high=10.0),
        settles=root.flag("settles", True),
        least_svn=root.whole("least_svn", 0),
    )
    fleet.done()
    root.done()
    reach.check(scenario, file or name)
    return scenario


def _group(table: Table) -> Group:
    group = Group(
        count=table.whole("count", low=1, high=100_000),
        name=table.text("name", "cam"),
        hw=table.text("hw", "rpi5"),
        sites=table.texts("sites", ("site-1",)),
        boot=table.choice("boot", Kind, Kind.LINK),
        tags=table.texts("tags"),
        attributes={key: str(value) for key, value in table.mapping("attributes").items()},
        network=network(table.table("network")),
        runs=table.text("runs", "") if table.has("runs") else "",
        free_bytes=table.number("free_mb", 64_000.0) * MEGABYTE,
        guard_budget_s=table.span_s("guard_budget", 300.0),
    )
    table.text("runs", "")
    table.done()
    return group


def _release(table: Table, component: str, number: int) -> Release:
    given = [_check_of(each) for each in table.tables("check")]
    made = Release(
        version=table.text("version"),
        counter=table.whole("counter", 100 + number),
        size_bytes=table.number("size_mb", 40.0, low=0.001) * MEGABYTE,
        svn=table.whole("svn", 1),
        hw=table.texts("hw"),
        probation=table.checked(
            "soak",
            lambda: Probation(
                table.span_s("startup", 20.0), table.whole("steady", 2, low=1, high=100), table.span_s("soak", 20.0)
            ),
        ),
        checks=tuple(given) or tuple(map(_addressed, DEFAULT_CHECKS)),
        effects=tuple(_effect(each) for each in table.tables("effect")),
        component=table.text("component", component),
        shadow=table.flag("shadow"),
    )
    table.done()
    return made


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
    table.done()
    return check


def _addressed(check: HealthCheck) -> HealthCheck:
    if check.kind is not CheckKind.CAMERA:
        return check
    return HealthCheck(
        check.name, check.kind, True, check.interval_s, check.timeout_s, params={"url": URL, "min_fps": 5.0}
    )


def _effect(table: Table) -> Effect:
    conduct = Conduct(
        starts=table.flag("starts", True),
        crash_after_s=table.optional_span_s("crash_after"),
        panic_after_s=table.optional_span_s("panic_after"),
        hang_after_s=table.optional_span_s("hang_after"),
        dead_after_s=table.optional_span_s("dead_after"),
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
    where = table.text("where", EVERYBODY)
    table.checked("where", lambda: grammar.parse(where))
    made = Effect(conduct, table.number("share", 1.0, high=1.0), where, table.line)
    table.done()
    return made


def _rollout(table: Table, releases: tuple[Release, ...]) -> RolloutPlan:
    made = RolloutPlan(
        at_s=table.span_s("at", 300.0),
        release=table.text("release"),
        cohort=table.text("cohort", EVERYBODY),
        policy=table.text("policy", ""),
        by=table.text("by", "operator"),
        also=table.texts("also"),
        lift_halt=table.flag("lift_halt"),
        accept_blind=table.flag("accept_blind", True),
        refused=_refused(table),
        line=table.line,
    )
    for key, version in (("release", made.release), *(("also", each) for each in made.also)):
        if version not in {release.version for release in releases}:
            raise table.wrong(f"{version!r} is no release of this scenario", key)
    try:
        policies.parse(made.policy)
    except SurefootError as error:
        raise table.wrong(f"the server refuses it: {error.message.rstrip('.')}", "policy") from error
    table.checked("cohort", lambda: grammar.parse(made.cohort))
    table.done()
    return made


def _act(table: Table) -> Act:
    made = Act(
        at_s=table.span_s("at", 0.0),
        do=table.choice("do", Do),
        rollout=table.whole("rollout", 1, low=1),
        by=table.text("by", "operator"),
        reason=table.text("reason", ""),
        keep=table.flag("keep"),
        when=table.text("when", ""),
        after_s=table.span_s("after", 0.0),
        role=table.choice("role", Role, Role.RELEASER),
        refused=_refused(table),
        line=table.line,
    )
    if made.when and made.when not in STATES:
        raise table.wrong(f"{made.when!r} is not one of {', '.join(STATES)}", "when")
    table.done()
    return made


def _refused(table: Table) -> str:
    """A kind of the registry, which docs/reference/errors.md lists."""
    kind = table.text("refused", "")
    if kind and kind not in KINDS:
        raise table.wrong(f"{kind!r} is no kind of error", "refused")
    return kind
